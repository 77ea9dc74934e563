"""Sites for the dashboard's tests: rollups of invented lakes, built into pages."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipeline.dashboard.annotations import Annotation
from pipeline.dashboard.site import Published, build
from pipeline.events.schema import withheld
from pipeline.io.lake.commits import Commit
from pipeline.io.lake.publications import RollupStore
from pipeline.io.package_data import load_metrics, load_schemas
from pipeline.ops.rollup.pipeline_metrics import Facts
from pipeline.ops.rollup.publication import PUBLISHED
from pipeline.ops.rollup.registry import parse_registry
from pipeline.ops.rollup.run import Contents, RollupSettings, roll_up
from tests.lake_rows import EPOCH, SCHEMAS, World, write_lake

LAST = date(2026, 11, 22)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOTES = [
    Annotation(date(2026, 11, 9), "incident", "Queue full in eu-central-1"),
    Annotation(date(2026, 11, 16), "release", "v2v-turbo 2.1"),
]
REGISTRY = parse_registry(load_metrics(), EPOCH, withheld(load_schemas()))
SECRET = bytes(range(32))
"""The installation's secret of the perturbation."""


def commit(hours_ago: float) -> Commit:
    """One commit of sessions, so many hours before `NOW`."""
    at = NOW - timedelta(hours=hours_ago)
    return Commit("session", 1, at, 1000, 970, {"not_json": 10}, {"opt_out": 20})


def rolled_up(
    root: Path, days: int, requests: int, accounts: int, commits: Sequence[Commit] | None = None
) -> RollupStore:
    """Publish a lake of that size whose last day is `LAST`, and what its commits say."""
    world = World(
        LAST - timedelta(days=days - 1), days, requests, accounts, incident=date(2026, 11, 9)
    )
    files = write_lake(root, world) if days else []
    store = RollupStore(str(root))
    facts = Facts(
        commits=[commit(3)] if commits is None else commits,
        newest_commit=NOW - timedelta(hours=3),
        oldest_day=world.first if days else None,
        epochs_live=2,
        epochs_destroyed=1,
        geo={"type": "Demo-Country", "built": "2026-11-01", "credit": "Countries: demo data."},
    )
    contents = Contents(REGISTRY, files, SCHEMAS, facts)
    roll_up(contents, store, RollupSettings(SECRET), NOW, time.monotonic)
    return store


def published(store: RollupStore) -> Published:
    """Read the publications back, as the command does."""
    manifest = store.manifest()
    names = [metric.name for metric in REGISTRY.metrics.values()] if manifest else []
    return Published({name: store.read(name, PUBLISHED) for name in names}, manifest)


def site(store: RollupStore) -> Mapping[str, str]:
    """Build the site."""
    return build(published(store), NOTES, NOW)
