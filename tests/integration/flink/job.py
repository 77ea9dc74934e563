"""`telemetry run` as a client of a Flink cluster, and what can be seen of its job."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.integration.kafka.chaos import OUT, Traffic
from tests.integration.kafka.telemetry import Installation
from tests.integration.services.flink import Cluster
from tests.integration.services.kafka import Broker, die_with_parent
from tests.waiting import PATIENCE_SECONDS

PARTITIONS = 8


def install(folder: Path, broker: Broker, topic: str) -> Installation:
    """A lake fed by the topic; commits come every second, so that kills fall between some."""
    installation = Installation(folder)
    installation.configure(
        f"""
[flush]
interval = "1s"
[sources.api]
event = "api_request"
servers = ["{broker.servers}"]
topic = "{topic}"
"""
    )
    installation.run("optout", "add", OUT)
    return installation


@dataclass
class Job:
    """The client process of a job."""

    installation: Installation
    cluster: Cluster
    command: list[str]
    client: subprocess.Popen[bytes]
    log: Path

    def end(self, how: int, expect: int) -> dict[str, Any]:
        """Signal the client, and return the document that it leaves."""
        self.client.send_signal(how)
        return self.wait(expect)

    def wait(self, expect: int, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Return the document that the client leaves: its account, or its error."""
        code = self.client.wait(seconds)
        text = self.log.read_text()
        assert code == expect, text[-3000:]
        lines = [line for line in text.splitlines() if line.startswith("{")]
        found: dict[str, Any] = json.loads(lines[-1])
        return found


def submit(
    installation: Installation, cluster: Cluster, workers: int = 2, ours: Sequence[str] = ()
) -> Job:
    """Start `telemetry run` with this cluster as its runner, and with more words of ours."""
    log = installation.folder / f"client-{time.monotonic_ns()}.log"
    words = ["--runner", "FlinkRunner", "--workers", str(workers), "--json", *ours, "--"]
    command = [*installation.command("run"), *words, *cluster.words()]
    with log.open("wb") as out:
        client = subprocess.Popen(
            command,
            stdout=out,
            stderr=out,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    return Job(installation, cluster, command, client, log)


def busiest(cluster: Cluster) -> psutil.Process:
    """The worker process that has worked most: one that reads."""
    return max(
        (psutil.Process(pid) for pid in cluster.workers()),
        key=lambda process: sum(process.cpu_times()[:2]),
    )


def written_by(installation: Installation) -> Counter[str]:
    """How many files each writer process has committed."""
    table = installation.table()
    assert table is not None
    return Counter(Path(path).name.split("-")[1] for path in table.file_uris())


def caught_up(installation: Installation, traffic: Traffic) -> bool:
    """Is everything that lies in the topic in the lake, or refused?"""
    return all(
        installation.position(traffic.topic, partition)
        == traffic.broker.offsets(traffic.topic, partition)[1]
        for partition in range(traffic.partitions)
    )
