"""Where the time of an event goes: CPU microseconds an event, stage by stage, without Beam.

One process, one thread, slices as the file reader cuts them, all treatments of `api_request`.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import pyarrow as pa

from benchmarks.harness import Report, workplace
from benchmarks.inputs import api_requests
from pipeline.events.decode.decoder import Decoder
from pipeline.events.model import Slice, Span
from pipeline.io.files.framing import find_lines
from pipeline.io.geo import CountryDatabase
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.lake import Lake
from pipeline.io.package_data import load_catalogue, load_schemas
from pipeline.privacy.anonymize import Anonymizer, Policy
from pipeline.privacy.optout import OptOutGate, OptOutState

EVENT = "api_request"
SLICE_BYTES = 64 << 20
DEMO_RANGES = ("198.18.0.0/15", "2001:db8::/32")
P = ParamSpec("P")
T = TypeVar("T")


class Clock:
    """Adds up the CPU time of named steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, name: str, call: Callable[P, T], *args: P.args, **words: P.kwargs) -> T:
        """Call it with the arguments and charge `name` for the time."""
        started = time.process_time()
        result = call(*args, **words)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - started
        return result


def run(events: int, times: int) -> Report:
    """Measure each stage, best of several passes over the same input."""
    pa.set_cpu_count(1)
    with workplace() as place:
        source = api_requests(place, events)
        passes = [one_pass(source, place) for _ in range(times)]
    best = {name: min(one[name] for one in passes) / events * 1e6 for name in passes[0]}
    total = sum(best.values())
    lines = [f"| {name} | {spent:.2f} |" for name, spent in [*best.items(), ("all", total)]]
    text = (
        f"{events:,} events, best of {times}; {1e6 / total:,.0f} events per CPU-second.\n\n"
        "| stage | µs an event |\n| --- | ---: |\n" + "\n".join(lines)
    )
    return Report("Stages", text, {name: round(spent, 3) for name, spent in best.items()})


def one_pass(source: Path, place: Path) -> dict[str, float]:
    """Take a file into a new lake at `place/lake`; CPU seconds of each stage."""
    shutil.rmtree(place / "lake", ignore_errors=True)
    schemas = load_schemas(None)
    versions = schemas[EVENT]
    keys = LocalKeystore(place / "keys")
    countries = CountryDatabase(None)
    decoder = Decoder(versions)
    gate = OptOutGate(keys.permanent_key("optout"))
    policy = Policy(public_ranges=DEMO_RANGES, max_age_days=89)
    anonymizer = Anonymizer(schemas, load_catalogue(None), keys, countries.country, policy)
    table = Lake(str(place / "lake")).events(EVENT, versions[-1].stored)
    standing = OptOutState({})
    now = datetime.now(UTC)
    now_us = int(now.timestamp() * 1e6)
    drop = partial(gate.drop, time_field=versions[-1].time_field)
    clock = Clock()
    for piece in _slices(source, clock):
        raw = clock.timed("decode", decoder.decode, piece)
        left = clock.timed("opt-out", drop, raw, standing, now_us)
        clean = clock.timed("anonymize", anonymizer.anonymize, left, now)
        clock.timed("write and commit", table.commit, clean)
    return clock.seconds


def _slices(source: Path, clock: Clock) -> Iterator[Slice]:
    """Whole lines in slices of up to 64 MiB, with their coordinates."""
    position = 0
    with source.open("rb") as file:
        while True:
            started = time.process_time()
            data = file.read(SLICE_BYTES)
            data = data[: data.rfind(b"\n") + 1]
            file.seek(position + len(data))
            lines = find_lines(data)
            spent = time.process_time() - started
            clock.seconds["read"] = clock.seconds.get("read", 0.0) + spent
            if not lines.stop:
                return
            span = Span("file", "bench", 0, position, position + len(data))
            yield Slice(span, EVENT, data, lines.starts, lines.ends, lines.starts + position)
            position += len(data)
