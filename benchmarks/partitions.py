"""What an event costs as its topic has more partitions: 1, 8, 32; one process on one core.

Every partition is a shard with a position and commits of its own; the events are the same. Each
topic is also filled with a few events, and the difference says what an event costs without start.
"""

from benchmarks.file_to_lake import SHORT, difference
from benchmarks.harness import Report, as_json, best_of, table, workplace
from benchmarks.inputs import api_requests, opted_out
from benchmarks.kafka_to_lake import fill, telemetry_run
from tests.integration.services.kafka import Broker, missing

SIZES = (1, 8, 32)
MOST = 300_000


def run(events: int, times: int) -> Report:
    """Measure every number of partitions, with at most 300,000 events."""
    title, events = "Partitions of a topic", min(events, MOST)
    if lack := missing():
        return Report(title, f"Left out: {lack}.", {"left_out": lack})
    runs, starts = [], []
    with workplace() as place, Broker(place / "broker", heap="1g") as broker:
        source = api_requests(place, events)
        ids = opted_out(place, source).read_text("utf-8")
        for size in SIZES:
            name = f"{size} partitions"
            long, short = (
                fill(broker, f"{kind}-{size}", source, count, size)
                for kind, count in (("long", events), ("short", SHORT))
            )
            command = telemetry_run(place, broker, ids, long)
            runs.append(best_of(times, name, command, events))
            starts.append(best_of(times, name, telemetry_run(place, broker, ids, short), SHORT))
    steady = [difference(long, short) for long, short in zip(runs, starts, strict=True)]
    first = steady[0].name
    text = (
        f"{events:,} events, one core, best of {times}.\n\nWhole processes:\n\n"
        f"{table(runs, first)}\n\nWithout start-up:\n\n{table(steady, first)}"
    )
    return Report(title, text, {"whole": as_json(runs), "steady": as_json(steady)})
