"""Ports for services that tests start.

A port that the kernel picks for a probe comes from the range that it also gives to outgoing
connections: between the probe and the service's start, some process of the test may get it. So
these ports come from below that range, and none is given twice by one process.
"""

from __future__ import annotations

import random
import socket
import subprocess
import time

_BELOW_EPHEMERAL = range(15_000, 32_000)
_given: set[int] = set()


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on."""
    # Not the tests' seeded generator: two test processes would walk the same ports.
    chance = random.SystemRandom()
    for _ in range(1_000):
        port = chance.choice(_BELOW_EPHEMERAL)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise RuntimeError("no free port between 15000 and 32000 on the loopback interface")


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process that was just started listens on a port of the loopback interface."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError("a service did not start; its log is in the test's folder")
