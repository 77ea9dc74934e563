"""How fast one process takes a topic into the lake on one core, beside Flink SQL.

Both contenders read the same topic (4 partitions, lz4) of a real broker in the same run. Ours is
`telemetry run --kafka --once`, pinned to one core. Flink SQL (`flink_sql/job.sql`) runs on a
cluster whose TaskManager is pinned to the same core; broker and JobManager are kept off it where
there is another, and neither they nor the client that plans the statement are charged.

What is fair, and to whom: the statement does what DuckDB's does (`duckdb_sql.py`): one token of
three, address and route reduced, opted-out accounts left out, zstd Parquet by day; no closed
lists, no checks. Token, address and route are Java functions without regular expressions. The
opt-out list is one too, a set of the plain ids, where ours compares keyed tokens: the planner does
not take NOT IN of 1,000 constants. Rows are reused between operators (`pipeline.object-reuse`). A
JVM gets faster with each of its first jobs: the first one on a fresh TaskManager counts with the
start of its JVM, the second one without, and "warm" is the best of those after the first. Each
contender also reads a short topic, and the difference says what an event costs without any start.
The columns that Flink's functions made are compared with what the input asks for, value by value.

    python -m benchmarks.flink_sql [--events 1000000] [--times 3]
"""

import argparse
import hmac
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow.dataset as ds

from benchmarks.file_to_lake import SHORT, difference, fresh
from benchmarks.flink_sql_cluster import SqlCluster, distribution, missing
from benchmarks.harness import (
    ContenderFailed,
    Measurement,
    Report,
    as_json,
    measure,
    table,
    workplace,
)
from benchmarks.inputs import api_requests, opted_out
from benchmarks.kafka_to_lake import OURS, PARTITIONS, fill, telemetry_run
from tests.conftest import CACHE
from tests.integration.services.kafka import Broker

FIRST, SECOND, WARM = "Flink SQL, first job", "Flink SQL, second job", "Flink SQL, warm"
KEY = "k" * 32
CORE = 0
ID = re.compile("/[^/]*[0-9][^/]{7,}")
Expected = dict[str, Counter[str | None]]


def run(events: int, times: int) -> Report:
    """Measure both, one after the other in turns, and compare."""
    title = "Kafka to lake, one core, beside Flink SQL"
    if lack := missing():
        return Report(title, f"Left out: {lack}.", {"left_out": lack})
    jars = distribution(CACHE)
    with workplace() as place, Broker(place / "broker", heap="1g") as broker:
        source = api_requests(place, events)
        without = opted_out(place, source)
        ids = without.read_text("utf-8")
        expected = _expected(source, set(ids.split()))
        size = source.stat().st_size / events
        long, short = fill(broker, "long", source, events), fill(broker, "short", source, SHORT)
        with _cluster(SqlCluster(jars, place / "flink", cores=(CORE,)), broker) as cluster:

            def flink(name: str, topic: str, count: int) -> Measurement:
                target = fresh(place / "target")
                words = {"servers": broker.servers, "topic": topic, "output": target.as_uri()}
                cpu, wall = cluster.cpu_seconds(), time.perf_counter()
                cluster.submit(without, KEY, **words)
                cpu, wall = cluster.cpu_seconds() - cpu, time.perf_counter() - wall
                if topic == long:
                    _check(target, expected)
                return Measurement(name, count, cpu, wall, cluster.peak_mib())

            def ours(topic: str, count: int) -> Measurement:
                return measure(OURS, telemetry_run(place, broker, ids, topic), count, (CORE,))

            start = cluster.cpu_seconds()
            first = flink(FIRST, long, events)
            first = replace(first, cpu_seconds=first.cpu_seconds + start)
            turns = [(ours(long, events), flink(WARM, long, events)) for _ in range(times)]
            starts = [(ours(short, SHORT), flink(WARM, short, SHORT)) for _ in range(times)]
    us, warm = (min(side, key=_cpu) for side in zip(*turns, strict=True))
    us_start, warm_start = (min(side, key=_cpu) for side in zip(*starts, strict=True))
    second = replace(turns[0][1], name=SECOND)
    whole = [us, first, second, warm]
    steady = [difference(us, us_start), *(difference(job, warm_start) for job in (second, warm))]
    kept = sum(expected["event_date"].values())
    text = (
        f"{events:,} events of {size:.0f} bytes from {PARTITIONS} partitions, lz4, one core, best "
        f"of {times} after Flink's first; {kept:,} events are not opted out. Flink's wall time "
        "holds the client's planning and a wait for the last checkpoint. Load of the machine at "
        f"the end: {os.getloadavg()[1]:.1f}.\n\n"
        f"Whole processes, and a job on a warm TaskManager:\n\n{table(whole, WARM)}\n\n"
        f"Without start-up (less a run over {SHORT:,} events):\n\n{table(steady, WARM)}"
    )
    values: dict[str, object] = {
        "whole": as_json(whole),
        "steady": as_json(steady),
        "turns": [as_json(pair) for pair in turns],
        "load": os.getloadavg(),
    }
    return Report(title, text, values)


def _cpu(measured: Measurement) -> float:
    return measured.cpu_seconds


@contextmanager
def _cluster(cluster: SqlCluster, broker: Broker) -> Iterator[SqlCluster]:
    """The cluster, started; its JobManager and the broker off its TaskManager's core."""
    try:
        cluster.launch()
        assert broker.process is not None
        for process in (broker.process, cluster.processes["jobmanager"]):
            _keep_off(process.pid, CORE)
        yield cluster
    finally:
        cluster.stop()


def _keep_off(pid: int, core: int) -> None:
    """Let no thread of a process run on this core, if there is another."""
    others = os.sched_getaffinity(0) - {core}
    for thread in Path(f"/proc/{pid}/task").iterdir() if others else ():
        os.sched_setaffinity(int(thread.name), others)


def _expected(source: Path, without: set[str]) -> Expected:
    """How often each value has to be in the output's columns that are not copies."""
    found: Expected = {name: Counter() for name in ("event_date", "subject", "ip_prefix", "route")}
    with source.open("rb") as lines:
        for line in lines:
            event = json.loads(line)
            account, address = event.get("account_id"), event.get("client_ip")
            if account in without:
                continue
            found["event_date"][event["occurred_at"][:10]] += 1
            found["subject"][account] += 1
            found["ip_prefix"][address and _network(address)] += 1
            found["route"][ID.sub("/{id}", event["path"].split("?")[0])] += 1
    tokens = {name: _token(name) if name else None for name in found["subject"]}
    found["subject"] = Counter({tokens[name]: n for name, n in found["subject"].items()})
    return found


def _token(account: str) -> str:
    return hmac.digest(KEY.encode(), account.encode(), "sha256").hex()[:32]


def _network(address: str) -> str:
    separator, rest = (":", "::/32") if ":" in address else (".", ".0.0/16")
    return separator.join(address.split(separator)[:2]) + rest


def _check(target: Path, expected: Expected) -> None:
    """Refuse a figure for work that was not done."""
    rows = ds.dataset(target, partitioning="hive").to_table(columns=list(expected))
    for name, values in expected.items():
        if Counter(rows[name].cast("string").to_pylist()) != values:
            raise ContenderFailed(f"Flink SQL: column {name} is not what the input asks for")


def main() -> int:
    """Run this benchmark alone."""
    parser = argparse.ArgumentParser(description="Compare with Flink SQL.")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3, help="runs of which the best counts")
    words = parser.parse_args()
    report = run(words.events, words.times)
    print(f"## {report.title}\n\n{report.text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
