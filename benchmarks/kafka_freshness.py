"""How old events are when they can be read from the lake, at a steady rate; and memory over time.

    python -m benchmarks.kafka_freshness [--seconds 600] [--rate 5000]

A real broker, 8 partitions, lz4, `telemetry run` with the default flush interval. The age of every
event is the time of the commit that holds it less the time when it was handed to the producer.
"""

import argparse
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import deltalake
import numpy as np
import psutil

from benchmarks.harness import MIB, Report, telemetry, workplace
from benchmarks.inputs import api_requests
from tests.integration.services.kafka import Broker

PARTITIONS = 8
TICK = 0.02


def run(events: int, times: int) -> Report:
    """Measure at 5,000 events a second for as long as `events` last; `times` is not used."""
    del times
    return measure_freshness(events / 5000, 5000)


def measure_freshness(seconds: float, rate: int) -> Report:
    """Produce at `rate` for `seconds`, and look at every commit afterwards."""
    with workplace() as place, Broker(place / "broker") as broker:
        topic = broker.create_topic("telemetry.api_request", PARTITIONS)
        lake = place / "lake"
        command = telemetry(
            *("run", "--kafka", broker.servers, "--topic", topic, "--event", "api_request"),
            *("--lake", str(lake), "--state", str(place / "state"), "--backfill"),
        )
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        memory: list[float] = []
        stopping = threading.Event()
        watcher = threading.Thread(target=_watch, args=(running.pid, memory, stopping))
        watcher.start()
        try:
            sent = produce_steadily(broker, topic, api_requests(place, 50_000), seconds, rate)
            wait_for_commits(lake, topic, sent)
        finally:
            stopping.set()
            watcher.join()
            running.send_signal(signal.SIGTERM)
            running.wait(60)
        ages = ages_of(deltalake.DeltaTable(str(lake / "events" / "api_request")), sent)
    count = sum(map(len, sent.values()))
    assert len(ages) == count, f"{count - len(ages)} events did not arrive"
    p50, p99, most = (float(np.percentile(ages, p)) for p in (50, 99, 100))
    third = max(1, len(memory) // 3)
    early, late = np.median(memory[third : 2 * third]), np.median(memory[2 * third :])
    text = (
        f"{count:,} events in {seconds:.0f} s ({count / seconds:,.0f}/s). "
        f"Produced to readable: median {p50:.1f} s, p99 {p99:.1f} s, most {most:.1f} s. "
        f"Resident memory: {early:.0f} MiB in the second third, {late:.0f} MiB in the last one, "
        f"{max(memory):.0f} MiB at most."
    )
    values: dict[str, object] = {"p50": p50, "p99": p99, "max": most, "rss_mib": memory}
    return Report("Freshness at a steady rate", text, values)


def produce_steadily(
    broker: Broker, topic: str, source: Path, seconds: float, rate: int
) -> dict[int, list[float]]:
    """Send at a steady rate; gives the times by partition, in the order of the offsets."""
    lines = source.read_bytes().splitlines()
    producer = broker.producer(compression_type="lz4", linger_ms=20, enable_idempotence=True)
    sent: dict[int, list[float]] = {number: [] for number in range(PARTITIONS)}
    began = time.time()
    number = 0
    while (passed := time.time() - began) < seconds:
        now = time.time()
        while number < passed * rate:
            partition = number % PARTITIONS
            producer.produce(topic, lines[number % len(lines)], partition=partition)
            sent[partition].append(now)
            number += 1
        producer.poll(0)
        time.sleep(TICK)
    producer.flush(60)
    return sent


def wait_for_commits(lake: Path, topic: str, sent: dict[int, list[float]]) -> None:
    """Wait until everything was committed, at most two minutes."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        table = deltalake.DeltaTable(str(lake / "events" / "api_request"))
        positions = [table.transaction_version(f"kafka/{topic}/{number}") or 0 for number in sent]
        if positions == [len(sent[number]) for number in sent]:
            return
        time.sleep(1)


def _watch(pid: int, memory: list[float], stopping: threading.Event) -> None:
    process = psutil.Process(pid)
    while not stopping.wait(2):
        memory.append(process.memory_info().rss / MIB)


def ages_of(table: deltalake.DeltaTable, sent: dict[int, list[float]]) -> list[float]:
    """The age of every event at the time of the commit that holds it, in seconds."""
    ages: list[float] = []
    for entry in table.history():
        commit = entry.get("telemetry")
        if commit is None:
            continue
        partition = int(commit["app_id"].rsplit("/", 1)[1])
        committed = entry["timestamp"] / 1000
        ages += [committed - at for at in sent[partition][commit["start"] : commit["stop"]]]
    return ages


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure freshness and memory.")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rate", type=int, default=5000)
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    report = measure_freshness(words.seconds, words.rate)
    print(report.text)
    if words.json:
        words.json.write_text(json.dumps(report.values) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
