"""How many rows and tokens somebody who holds the security log could single out.

The attacker has a log of the same requests with address, time, user agent, method and path, and
the rows of one day. Of each log line it computes what the row must look like, and joins. A row is
singled out if it is the only one of its day that looks like that; a token, if at least one of its
rows is. Columns are taken step by step: not every security log has sizes or durations.

    python -m benchmarks.linkage [--rows 1000000] [--json FILE]

The traffic is the demo's, of one day; `before` treats it by version 1 of the schema, `after` by the
newest one. The figures are in docs/privacy.md: a change that raises them is a privacy decision.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from pipeline.demo.profile import parse_profile
from pipeline.demo.traffic import generate, sessions_of
from pipeline.demo.world import DEMO_RANGES, PROXY_NETWORK, World
from pipeline.events.decode.decoder import Decoder
from pipeline.events.model import RawBatch, Slice, Span
from pipeline.events.schema import EventSchema
from pipeline.io.geo import CountryDatabase
from pipeline.io.package_data import load_catalogue, load_schemas, packaged_text
from pipeline.privacy.anonymize import Anonymizer
from pipeline.privacy.identity.epochs import Epoch
from pipeline.privacy.policy import Policy

EVENT = "api_request"
NOW = datetime(2026, 11, 24, 23, 59, tzinfo=UTC)
KEY = bytes(range(32))
SERVER = ("event_hour", "country", "ip_prefix", "ip_class", "method", "route", "status")
AGENT = ("client_family", "client_major", "os_family", "device_class")
STEPS: Mapping[str, tuple[str, ...]] = {
    "address, hour, agent, path": (*SERVER, *AGENT),
    "and sizes": (*SERVER, *AGENT, "bytes_in", "bytes_out"),
    "and duration": (*SERVER, *AGENT, "bytes_in", "bytes_out", "latency_ms"),
}
"""What the attacker knows, cumulative; `every column` is added to these."""
TOKENS = ("event_token", "subject", "session", "schema_version", "event_date")


@dataclass(frozen=True, slots=True)
class Singled:
    """Shares of rows and tokens that one kind of knowledge singles out."""

    knowledge: str
    rows: float
    tokens: float


class _OneKey:
    """A fixed key: the figures do not depend on it."""

    def epoch_key(self, epoch: Epoch) -> bytes:
        return KEY + epoch.name.encode()


def traffic(rows: int) -> Iterator[bytes]:
    """One day of the demo's requests, as blocks of lines."""
    profile = parse_profile(
        packaged_text("demo", "traffic.toml"), packaged_text("demo", "user_agents.toml")
    )
    begin = NOW.replace(hour=0, minute=0)
    world = World(profile, seed=1, begin=begin, end=NOW, sessions=sessions_of(EVENT, rows))
    return generate(world, EVENT, rows, awkward=0.0)


def decoded(schemas: Sequence[EventSchema], blocks: Iterator[bytes]) -> Iterator[RawBatch]:
    """The blocks as raw batches."""
    decoder = Decoder(tuple(schemas))
    for data in blocks:
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")).astype(np.int64)
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
        span = Span("file", "linkage", 0, 0, len(data))
        yield decoder.decode(Slice(span, EVENT, data, starts, ends, starts))


def worker(schema: EventSchema) -> Anonymizer:
    """What treats rows by one version of the schema, with the demo's settings."""
    return Anonymizer(
        {EVENT: (schema,)},
        load_catalogue(),
        _OneKey(),
        CountryDatabase(None).country,
        Policy(trusted_proxies=(PROXY_NETWORK,), public_ranges=DEMO_RANGES),
    )


def singled_out(rows: pa.Table) -> list[Singled]:
    """What each kind of knowledge singles out of these rows."""
    every = tuple(name for name in rows.column_names if name not in TOKENS)
    found = []
    with duckdb.connect() as database:
        database.register("rows", rows)
        for knowledge, columns in {**STEPS, "and every other column": every}.items():
            names = ", ".join(columns)
            answer = database.execute(
                f"WITH known AS (SELECT subject, count(*) OVER (PARTITION BY {names}) AS alike"
                " FROM rows) SELECT avg((alike = 1)::INT), count(DISTINCT subject) FILTER"
                " (alike = 1) / count(DISTINCT subject) FROM known"
            ).fetchone()
            assert answer is not None
            found.append(Singled(knowledge, *answer))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="Rows and tokens that can be singled out.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(arguments)
    versions = load_schemas()[EVENT]
    workers = {"before": worker(versions[0]), "after": worker(versions[-1])}
    kept: dict[str, list[pa.RecordBatch]] = {name: [] for name in workers}
    for batch in decoded(versions, traffic(chosen.rows)):
        for name, one in workers.items():
            kept[name].append(one.anonymize(batch, NOW).rows)
    found = {name: singled_out(pa.Table.from_batches(rows)) for name, rows in kept.items()}
    print("| who knows | rows, before | after | tokens, before | after |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for before, after in zip(found["before"], found["after"], strict=True):
        shares = (before.rows, after.rows, before.tokens, after.tokens)
        print(f"| {before.knowledge} | {' | '.join(f'{share:.1%}' for share in shares)} |")
    if chosen.json:
        document = {name: [asdict(one) for one in rows] for name, rows in found.items()}
        chosen.json.write_text(json.dumps({"rows": chosen.rows, **document}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
