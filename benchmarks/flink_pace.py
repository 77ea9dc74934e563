"""One worker on Flink beside one embedded worker: the same topic, machine and minutes.

    python -m benchmarks.flink_pace [--events 2000000] [--seconds 300] [--rate 5000] [--json FILE]

Pace: both read the same topic (8 partitions, lz4) to its end with `--once`. The clock runs from
the first commit in the lake's log to the last, so starting a cluster and a job does not count, nor
do the events of that first commit. The worker process's own CPU time is given as well: on a small
machine Flink's JVMs take theirs from the same cores.

Freshness: events are produced at a steady rate, and the age of each when it can be read is the
time of the commit that holds it less the time when it was handed to the producer.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import psutil

from benchmarks.harness import Report, workplace
from benchmarks.inputs import api_requests
from benchmarks.kafka_freshness import ages_of, produce_steadily, wait_for_commits
from benchmarks.kafka_to_lake import fill
from tests.conftest import CACHE
from tests.integration.flink.job import PARTITIONS, busiest, submit
from tests.integration.kafka.telemetry import Installation
from tests.integration.services.flink import Cluster, missing, running_cluster
from tests.integration.services.kafka import Broker
from tests.waiting import wait_for

PATIENCE_SECONDS = 900


@dataclass(frozen=True)
class Pace:
    """How fast one worker process was, between its first commit and its last."""

    name: str
    events: int
    seconds: float
    cpu_seconds: float
    commits: int

    @property
    def per_second(self) -> float:
        return self.events / self.seconds

    @property
    def per_cpu_second(self) -> float:
        return self.events / self.cpu_seconds

    def line(self) -> str:
        return (
            f"{self.name}: {self.per_second:,.0f} events/s, {self.per_cpu_second:,.0f} per "
            f"CPU-second of the worker ({self.events:,} events in {self.seconds:.1f} s, "
            f"{self.commits} commits)"
        )


def install(folder: Path, broker: Broker, topic: str) -> Installation:
    """An empty lake fed by a topic, with the default settings."""
    folder.mkdir()
    installation = Installation(folder)
    installation.configure(
        f'[sources.api]\nevent = "api_request"\nservers = ["{broker.servers}"]\ntopic = "{topic}"\n'
    )
    installation.run("optout", "add", "acct_nobody")
    return installation


def pace_of(
    name: str, lake: Installation, events: int, worker: Callable[[], psutil.Process]
) -> Pace:
    """Wait until all events are there, and take times from the lake's log."""
    wait_for(lambda: _read(lake) > 0, "the first commit")
    process = worker()
    first, began = _read(lake), _cpu(process)
    ended = began
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _read(lake) < events:
        assert time.monotonic() < deadline, "the end of the topic is not reached"
        with suppress(psutil.NoSuchProcess):
            ended = _cpu(process)
        time.sleep(0.1)
    commits = _commits(lake)
    times = [commit["timestamp"] / 1000 for commit in commits]
    later = sum(commit["telemetry"]["read"] for commit in commits[1:])
    # CPU time was looked at when `first` events were there, which may be several commits.
    share = later / (events - first) if events > first else 1.0
    return Pace(name, later, times[-1] - times[0], (ended - began) * share, len(commits))


def _cpu(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


def _commits(lake: Installation) -> list[dict[str, Any]]:
    table = lake.table()
    entries = [] if table is None else table.history()
    return [entry for entry in reversed(entries) if "telemetry" in entry]


def _read(lake: Installation) -> int:
    return sum(commit["telemetry"]["read"] for commit in _commits(lake))


def measure_pace(place: Path, broker: Broker, cluster: Cluster, events: int) -> list[Pace]:
    """Run embedded, then on Flink."""
    topic = fill(broker, "pace", api_requests(place, events), events, PARTITIONS)
    embedded = install(place / "embedded", broker, topic)
    running = embedded.start("run", "--backfill", "--once")
    paces = [pace_of("embedded", embedded, events, lambda: psutil.Process(running.pid))]
    running.wait(60)
    flink = install(place / "flink", broker, topic)
    job = submit(flink, cluster, workers=1, ours=("--backfill", "--once"))
    paces.append(pace_of("Flink", flink, events, lambda: busiest(cluster)))
    job.wait(expect=0)
    return paces


def measure_freshness(
    place: Path, broker: Broker, cluster: Cluster, seconds: float, rate: int
) -> dict[str, float]:
    """Produce at a steady rate while a job with two workers runs."""
    topic = broker.create_topic("fresh", PARTITIONS)
    lake = install(place / "fresh", broker, topic)
    lines = api_requests(place, 50_000, "fresh.ndjson")
    job = submit(lake, cluster, workers=2, ours=("--backfill",))
    # What comes before the job runs on all partitions says nothing of its pace.
    early = produce_steadily(broker, topic, lines, 1.0, rate)
    count = sum(map(len, early.values()))
    wait_for(lambda: _read(lake) == count, "the first events")
    sent = produce_steadily(broker, topic, lines, seconds, rate)
    both = {p: [float("nan")] * len(early[p]) + sent[p] for p in sent}
    wait_for_commits(lake.lake, topic, both)
    job.end(signal.SIGTERM, expect=0)
    ages = np.array(ages_of(deltalake.DeltaTable(str(lake.lake / "events" / "api_request")), both))
    ages = ages[~np.isnan(ages)]
    assert len(ages) == sum(map(len, sent.values()))
    return {f"p{p}": float(np.percentile(ages, p)) for p in (50, 99, 100)}


def run(events: int, times: int) -> Report:
    """Measure the pace with so many events, once; `times` does not apply."""
    del times
    if lack := missing():
        return Report("A worker on Flink", f"Left out: {lack}.", {"left_out": lack})
    with (
        workplace() as place,
        Broker(place / "broker") as broker,
        running_cluster(CACHE, place / "cluster") as cluster,
    ):
        embedded, flink = measure_pace(place, broker, cluster, events)
    ratio = flink.per_cpu_second / embedded.per_cpu_second
    text = f"{embedded.line()}\n\n{flink.line()}\n\nFlink/embedded by CPU time: {ratio:.2f}"
    runs = [
        {**asdict(one), "per_cpu_second": round(one.per_cpu_second)} for one in (embedded, flink)
    ]
    return Report("A worker on Flink", text, {"runs": runs, "ratio": round(ratio, 3)})


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure pace and freshness on Flink.")
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--rate", type=int, default=5000)
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    with (
        workplace() as place,
        Broker(place / "broker") as broker,
        running_cluster(CACHE, place / "cluster") as cluster,
    ):
        embedded, flink = paces = measure_pace(place, broker, cluster, words.events)
        print(*(pace.line() for pace in paces), sep="\n")
        ratios = {
            "wall": flink.per_second / embedded.per_second,
            "cpu": flink.per_cpu_second / embedded.per_cpu_second,
        }
        print(f"Flink/embedded: {ratios['wall']:.2f} by the clock, {ratios['cpu']:.2f} by CPU time")
        fresh: dict[str, float] = {}
        if words.seconds:
            fresh = measure_freshness(place, broker, cluster, words.seconds, words.rate)
            told = ", ".join(f"{name} {age:.1f} s" for name, age in fresh.items())
            print(f"Produced to readable at {words.rate:,} events/s: {told}")
    if words.json:
        values = {"pace": [asdict(pace) for pace in paces], "ratios": ratios, "freshness": fresh}
        words.json.write_text(json.dumps(values) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
