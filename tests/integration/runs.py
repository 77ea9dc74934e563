"""Runs on files for tests: messages, ports with real parts, and what a lake holds afterwards."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

import pyarrow.dataset as ds
from deltalake import DeltaTable

from pipeline.events.schema import EventSchema
from pipeline.flow.ports import FixedClock, Lake, Opener, Ports
from pipeline.io.files.source import FileSource
from pipeline.io.geo import CountryDatabase
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.lake import Lake as DeltaLake
from pipeline.io.package_data import load_catalogue, load_schemas
from pipeline.io.rights.optout_list import OptOutFile
from pipeline.io.source import Pace
from pipeline.privacy.policy import Policy

EVENT = "api_request"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BAD_EVERY = 50


def messages(first: int, stop: int) -> bytes:
    """NDJSON with one broken line in fifty; event ids are unique."""
    return b"".join(_message(number) + b"\n" for number in range(first, stop))


def _message(number: int) -> bytes:
    if number % BAD_EVERY == 0:
        return b'{"event":"api_request","version":1,"number":%d' % number
    values = {
        "event": EVENT,
        "version": 1,
        "event_id": f"event-{number}",
        "occurred_at": f"2026-11-2{3 + number % 2}T0{number % 10}:00:00Z",
        "account_id": f"account-{number % 997}",
        "session_id": f"session-{number % 4999}",
        "client_ip": f"198.18.{number % 256}.{number % 7}",
        "path": "/v1/streams",
        "method": "POST",
        "latency_ms": number % 900,
    }
    return json.dumps(values).encode()


def good(numbers: Iterable[int]) -> int:
    """How many of these messages are stored."""
    return sum(number % BAD_EVERY != 0 for number in numbers)


@cache
def schemas() -> Mapping[str, tuple[EventSchema, ...]]:
    """The packaged schemas, read once in a process and its forks."""
    return load_schemas()


def make_ports(
    folder: Path,
    *paths: Path,
    state: Path | None = None,
    slice_bytes: int = 200_000,
    flush_seconds: float = 0.2,
    to_end: bool = True,
    claims: Path | None = None,
    lake: Opener[Lake] | None = None,
) -> Ports:
    """A run from files into `<folder>/lake`."""
    state = state or folder / "state"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    clock = FixedClock(NOW)
    keys = partial(LocalKeystore, state / "keys", now=clock)
    names = tuple(str(path) for path in paths or (folder / "in",))
    claims = claims or state / "claims"
    source = FileSource("logs", EVENT, names, claims, partial(_key, keys, "files"))
    return Ports(
        sources=(source,),
        schemas=schemas,
        catalogue=load_catalogue,
        keys=keys,
        optout=partial(_optout, keys, state),
        country=CountryDatabase,
        lake=lake or partial(DeltaLake, str(folder / "lake"), state=state),
        policy=Policy(public_ranges=("198.18.0.0/15",)),
        pace=Pace(slice_bytes, flush_seconds, to_end),
        clock=clock,
    )


@dataclass(frozen=True)
class Stored:
    """What a lake holds."""

    rows: int
    events: int
    """Different event tokens."""
    refused: int
    places: int
    """Different coordinates of refused messages."""


def stored(folder: Path) -> Stored:
    """Count what the log names."""
    rows = DeltaTable(folder / "lake" / "events" / EVENT).to_pyarrow_table(columns=["event_token"])
    refused = DeltaTable(folder / "lake" / "rejections").to_pyarrow_table(
        columns=["topic", "offset"]
    )
    places = set(
        zip(*(refused.column(name).to_pylist() for name in refused.column_names), strict=True)
    )
    tokens = len(rows.column("event_token").unique())
    return Stored(rows.num_rows, tokens, refused.num_rows, len(places))


def globbed(folder: Path) -> int:
    """Count rows the way somebody does who reads the files and not the log."""
    files = sorted((folder / "lake" / "events" / EVENT).glob("event_date=*/*.parquet"))
    return int(ds.dataset(files).count_rows())


def expected(*ranges: range) -> Stored:
    """What a lake holds after these messages were read once each."""
    kept = sum(good(numbers) for numbers in ranges)
    bad = sum(len(numbers) for numbers in ranges) - kept
    return Stored(kept, kept, bad, bad)


def _key(keys: Opener[LocalKeystore], name: str) -> bytes:
    return keys().permanent_key(name)


def _optout(keys: Opener[LocalKeystore], state: Path) -> OptOutFile:
    return OptOutFile(state / "optout.ndjson", keys().permanent_key("optout"))


def command(folder: Path, *words: str) -> list[str]:
    """The words of a run from `<folder>/in` into `<folder>/lake`."""
    return [
        *(sys.executable, "-m", "pipeline.cli", "run", "--json"),
        *("--input", str(folder / "in"), "--event", EVENT),
        *("--lake", str(folder / "lake"), "--state", str(folder / "state")),
        *("--now", NOW.isoformat(), *words),
    ]


def children_of(pid: int) -> list[int]:
    """Ids of the processes that a process has started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed]


def commits_of(folder: Path) -> int:
    """How many commits the event's table has; its creation is one."""
    return len(list((folder / "lake" / "events" / EVENT / "_delta_log").glob("*.json")))
