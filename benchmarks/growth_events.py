"""What an event costs as its input grows: its size, days, accounts, layouts, versions.

The stages of `benchmarks.stages` to committed files, in one process, without Beam; sizes of a row
are measured in turns, so that a noisy moment meets all of them. Every row is the same generated
requests with one thing changed, and nearly all of its events must be stored.
Every pass begins with new lists and a new table, some tenths of a second that a short input shows.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import workplace
from benchmarks.inputs import api_requests
from benchmarks.stages import one_pass

EVENTS = 100_000
STORED = 0.98
"""The least share of events that are stored: the rest carries a signal (GPC, DNT)."""
Message = dict[str, Any]
Change = Callable[[int, Message], Message]

SIZES = {
    "events": (10_000, 50_000, 200_000),
    "days": (1, 7, 28, 88),
    "accounts": (10, 1_000, 100_000),
    "layouts": (1, 100, 5_000),
    "versions": (1, 2),
}
"""What grows, and its sizes; `events` is the length of the input itself."""


def growing_input(times: int) -> tuple[str, dict[str, dict[str, dict[str, float]]]]:
    """Return a table of what an event costs by what grows, and its values."""
    pa.set_cpu_count(1)
    values = {}
    with workplace() as place:
        source = api_requests(place, max(SIZES["events"]))
        for name, sizes in SIZES.items():
            values[name] = _measured(place, source, name, sizes, times)
    lines = [
        f"| {name}: {size} | {row['us']:.2f} | {row['us'] / rows[next(iter(rows))]['us']:.2f} "
        f"| {row['per_cpu_second']:,.0f} | {row['bytes']:.0f} | {row['stored_bytes']:.1f} |"
        for name, rows in values.items()
        for size, row in rows.items()
    ]
    text = (
        f"{EVENTS:,} events where it is not said, all stages to committed files, one process; the "
        f"least CPU of {times}. Ratios are to the first of the same kind.\n\n"
        "| grows | µs an event | ratio | events per CPU-second | bytes an event | stored |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |\n" + "\n".join(lines)
    )
    return text, values


def _measured(
    place: Path, source: Path, name: str, sizes: tuple[int, ...], times: int
) -> dict[str, dict[str, float]]:
    inputs = {}
    for size in sizes:
        count = size if name == "events" else EVENTS
        inputs[size] = _written(source, place / f"{name}-{size}.ndjson", count, change(name, size))
    rows: dict[str, dict[str, float]] = {}
    one_pass(next(iter(inputs.values()))[0], place)  # tables that are made at first use
    for _ in range(times):
        for size, (path, count) in inputs.items():
            spent = sum(one_pass(path, place).values())
            files = list((place / "lake").glob("events/*/event_date=*/*.parquet"))
            stored = sum(pq.read_metadata(file).num_rows for file in files)
            if stored < STORED * count:
                sys.exit(f"{stored:,} of {count:,} events were stored ({name}: {size})")
            row = {
                "us": spent / count * 1e6,
                "per_cpu_second": count / spent,
                "bytes": path.stat().st_size / count,
                "stored_bytes": sum(file.stat().st_size for file in files) / stored,
            }
            rows[str(size)] = min(row, rows.get(str(size), row), key=lambda one: one["us"])
    for path, _ in inputs.values():
        path.unlink()
    return rows


def _written(source: Path, target: Path, count: int, changed: Change) -> tuple[Path, int]:
    with source.open("rb") as lines, target.open("wb") as out:
        for at, line in enumerate(islice(lines, count)):
            text = json.dumps(changed(at, json.loads(line)), separators=(",", ":"))
            out.write(text.encode() + b"\n")
    return target, count


def change(name: str, size: int) -> Change:
    """Return what makes a message one of an input of this size; KeyError for another name."""
    draw = random.Random(1)  # a benchmark's input, the same each time
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [f"{today - timedelta(days=at):%Y-%m-%d}" for at in range(1, 89)]
    orders = [draw.sample(range(64), 64) for _ in range(size if name == "layouts" else 1)]

    def ordered(at: int, message: Message) -> Message:
        order = orders[at % len(orders)]
        return dict(sorted(message.items(), key=lambda item: order[sum(item[0].encode()) % 64]))

    changes: dict[str, Change] = {
        "events": lambda _, message: message,
        "days": lambda at, message: {
            **message,
            "occurred_at": days[at % size] + message["occurred_at"][10:],
        },
        "accounts": lambda at, message: {**message, "account_id": f"acct_{at % size:012x}"},
        "layouts": ordered,
        "versions": lambda at, message: {**message, "version": 2 - at % size},
    }
    return changes[name]
