"""The metrics endpoint of a process, whether an operator configured it or a runner started it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from pipeline.errors import EnvironmentProblem
from pipeline.metrics import LOOPBACK, Metrics

LOG = logging.getLogger(__name__)

SPAN = 16
"""How many ports are tried by a process that a runner has started beside others of its kind."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where metrics are served."""

    port: int
    address: str = LOOPBACK

    def worker(self, index: int) -> Endpoint:
        """Return the endpoint of a supervisor's worker: the supervisor itself has the first port.

        >>> Endpoint(9100).worker(2).port
        9103
        """
        return Endpoint(self.port + 1 + index, self.address)


def serve(metrics: Metrics, endpoint: Endpoint | None) -> None:
    """Serve metrics from a thread of this process, unless there is no endpoint.

    Raises `EnvironmentProblem` if the port is taken.
    """
    if endpoint is None:
        return
    try:
        metrics.serve(endpoint.port, endpoint.address)
    except OSError:
        raise EnvironmentProblem(
            "metrics cannot be served",
            where=f"port {endpoint.port} of {endpoint.address}",
            why="another process has it, or the address is not of this machine",
            remedy="Name a free port with --metrics-port, or leave it out.",
        ) from None


def serve_somewhere(metrics: Metrics, endpoint: Endpoint | None) -> int | None:
    """Serve metrics on the first free port of `SPAN` and return it; None if there is none.

    For processes whose number is unknown: a cluster's runner starts as many on a machine as it
    likes. Events are worth more than figures about them, so nothing is raised.
    """
    if endpoint is None:
        return None
    for port in range(endpoint.port, min(endpoint.port + SPAN, 65_536)):
        try:
            metrics.serve(port, endpoint.address)
        except OSError:
            continue
        return port
    LOG.warning("No metrics: %d ports from %d on are taken", SPAN, endpoint.port)
    return None
