"""How fast one process takes a topic into the lake on one core, beside confluent-kafka.

Both contenders read the same topic (4 partitions, lz4) of a real broker in the same run, pinned to
one core that the broker does not use. The other one is the fastest Python client with the same
decoder, opt-out test and anonymizer, and plain Parquet files: no positions, no commits, nothing
that survives a crash. Each also reads a short topic, and the difference says what an event costs
without the start of interpreter and libraries.
"""

from collections.abc import Callable
from pathlib import Path
from sys import executable
from typing import Any

from benchmarks.file_to_lake import SHORT, difference, fresh, removing
from benchmarks.harness import Report, as_json, best_of, prepare, table, telemetry, workplace
from benchmarks.inputs import api_requests, opted_out
from tests.integration.services.kafka import Broker

OURS, CONFLUENT = "telemetry run", "confluent-kafka + anonymizer"
PARTITIONS = 4


def run(events: int, times: int) -> Report:
    """Measure both and compare."""
    with workplace() as place, Broker(place / "broker", heap="1g") as broker:
        source = api_requests(place, events)
        ids = opted_out(place, source).read_text("utf-8")
        size = source.stat().st_size / events
        long, short = fill(broker, "long", source, events), fill(broker, "short", source, SHORT)
        whole, steady = [], []
        for name, command in _contenders(place, broker, ids).items():
            full = best_of(times, name, command(long), events)
            start = best_of(times, name, command(short), SHORT)
            whole.append(full)
            steady.append(difference(full, start))
    text = (
        f"{events:,} events of {size:.0f} bytes from {PARTITIONS} partitions, lz4, one core, "
        f"best of {times}.\n\nWhole processes:\n\n{table(whole, CONFLUENT)}\n\n"
        f"Without start-up (less a run over {SHORT:,} events):\n\n{table(steady, CONFLUENT)}"
    )
    values: dict[str, object] = {"whole": as_json(whole), "steady": as_json(steady)}
    return Report("Kafka to lake, one core", text, values)


def fill(
    broker: Broker, topic: str, source: Path, events: int, partitions: int = PARTITIONS
) -> str:
    """Send the first lines of a file to a new topic."""
    broker.create_topic(topic, partitions)
    producer: Any = broker.producer(compression_type="lz4", linger_ms=50)
    with source.open("rb") as lines:
        for number, line in zip(range(events), lines, strict=False):
            while True:
                try:
                    producer.produce(topic, line.rstrip(b"\n"), partition=number % partitions)
                    break
                except BufferError:
                    producer.poll(0.1)
    producer.flush(120)
    return topic


def telemetry_run(place: Path, broker: Broker, ids: str, topic: str) -> list[str]:
    """Our own command, from nothing: accounts opted out, an empty lake, no positions."""
    lake, state = fresh(place / "lake"), fresh(place / "state")
    prepare("optout", "add", "-", "--state", str(state), typed=ids)
    return [
        *removing(lake, state),
        *telemetry("run", "--once", "--backfill", "--event", "api_request"),
        *("--kafka", broker.servers, "--topic", topic),
        *("--lake", str(lake), "--state", str(state)),
    ]


def _contenders(place: Path, broker: Broker, ids: str) -> dict[str, Callable[[str], list[str]]]:
    def ours(topic: str) -> list[str]:
        return telemetry_run(place, broker, ids, topic)

    def confluent(topic: str) -> list[str]:
        target, state = place / "target", fresh(place / "state")
        prepare("optout", "add", "-", "--state", str(state), typed=ids)
        return [
            *("sh", "-c", 'rm -rf "$0" && exec "$@"', str(target)),
            *(executable, "-m", "benchmarks.kafka_confluent"),
            *(broker.servers, topic, str(state), str(target)),
        ]

    return {OURS: ours, CONFLUENT: confluent}
