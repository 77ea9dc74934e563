"""Late and repeated events, freshness and the age of the oldest day, recomputed and compared.

Late and repeated events of a day are counted in its files, as long as these are the ones that the
publication was made from: a seal, an erasure or a purge writes others, and after it nothing tells
copies and late events apart. Freshness is computed from the log's commits up to its publication,
the age of the oldest day from the files that existed by then. What cannot be recomputed is counted
by its reason: it is not verified.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.events.schema import EVENT_TOKEN
from pipeline.io.lake.commits import History
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.publications import RollupStore
from pipeline.io.lake.snapshot import PartFile
from pipeline.io.parquet.encoding import PartKind
from pipeline.ops.recomputed.comparison import CLOCKS
from pipeline.ops.rewrite import on_snapshot
from pipeline.ops.rollup.lake_files import late_rows
from pipeline.ops.rollup.pipeline_metrics import count_row
from pipeline.ops.rollup.publication import PUBLISHED
from pipeline.ops.views import visible

REWRITTEN = "late and repeated events of files that were rewritten since"
SHORTENED = "freshness of a log that was shortened since"
FOREIGN_CLOCK = "freshness by a clock that is behind every commit"
EXPIRED = "ages of the oldest day from before an expiry or a removal"
LARGE = "repeated events of days with more rows than an audit holds"
MOST_ROWS = 8_000_000
_Row = Mapping[str, Any]


@dataclass(slots=True)
class Counts:
    """What was compared: figures that are equal, wrong by metric, not verified by reason."""

    equal: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)

    def note(self, metric: str, is_equal: bool) -> None:
        """Count a figure that was recomputed."""
        if is_equal:
            self.equal += 1
        else:
            self.wrong[metric] += 1


@dataclass(frozen=True, slots=True)
class _Lake:
    """One look at the lake, and when rows were removed from it."""

    lake: Lake
    schemas: Mapping[str, pa.Schema]
    parts: Mapping[str, Sequence[PartFile]]
    removals: Sequence[datetime]

    def files(self) -> set[str]:
        return {part.uri for parts in self.parts.values() for part in parts}

    def removed_since(self, at: datetime) -> bool:
        return any(moment > at for moment in self.removals)


def wrong_counts(
    lake: Lake,
    schemas: Mapping[str, pa.Schema],
    store: RollupStore,
    histories: Sequence[History],
    now: datetime,
    removals: Sequence[datetime],
) -> Counts:
    """Compare what is published about files and commits with the existing ones.

    `histories`: those of every event. `removals`: when rows were removed, by an expiry or on
    request. Raises LakeError.
    """

    def look() -> _Lake:
        parts = {event: lake.events(event, schemas[event]).snapshot().files for event in schemas}
        return _Lake(lake, schemas, parts, removals)

    def compare(seen: _Lake) -> Counts:
        return _compare(seen, store, histories, now)

    return on_snapshot(look, _Lake.files, compare, lake.look_again)


def _compare(
    look: _Lake, store: RollupStore, histories: Sequence[History], now: datetime
) -> Counts:
    counts = Counts()
    for metric in ("late", "duplicate"):
        for row in _rows(store, metric):
            _count_of_a_day(look, metric, row, now.date(), counts)
    for row in _rows(store, "freshness"):
        _freshness(histories, row, counts)
    for row in _rows(store, "expiry_proof"):
        _oldest_day(look, row, counts)
    return counts


def _rows(store: RollupStore, metric: str) -> Iterator[_Row]:
    yield from store.read(metric, PUBLISHED).to_pylist()


def _count_of_a_day(look: _Lake, metric: str, row: _Row, today: date, counts: Counts) -> None:
    event, day, at = row["key1"], row["first_day"], row["published_at"]
    mine = [part for part in visible(look.parts.get(event, ()), today) if part.day == day]
    if not mine or look.removed_since(at) or any(_added_after(part, at) for part in mine):
        counts.unseen[REWRITTEN] += 1
        return
    if metric == "duplicate" and sum(part.rows for part in mine) > MOST_ROWS:
        counts.unseen[LARGE] += 1
        return
    count = late_rows(day, mine) if metric == "late" else _copies(look, event, mine)
    made = count_row(day, "event", event, count)
    # A day without late events has no figure at all.
    is_equal = (count > 0 or metric != "late") and _is(row, made)
    if not is_equal and any(_added_after(part, at - CLOCKS) for part in mine):
        counts.unseen[REWRITTEN] += 1  # by another clock it may have come later
    else:
        counts.note(metric, is_equal)


def _added_after(part: PartFile, at: datetime) -> bool:
    return part.added_ms > at.timestamp() * 1000


def _copies(look: _Lake, event: str, parts: Sequence[PartFile]) -> int:
    """Events that are stored more than once; the final seal leaves no copies and no tokens."""
    storage = look.lake.events(event, look.schemas[event]).storage
    tokens = [
        storage.read(part.path, [EVENT_TOKEN])[EVENT_TOKEN].drop_null()
        for part in parts
        if part.kind is not PartKind.FINAL
    ]
    if not tokens:
        return 0
    whole = pa.chunked_array([chunk for one in tokens for chunk in one.chunks], pa.string())
    return len(whole) - int(pc.count_distinct(whole).as_py())


def _is(row: _Row, made: Mapping[str, object]) -> bool:
    return all(row[name] == made.get(name) for name in ("value", "under"))


def _freshness(histories: Sequence[History], row: _Row, counts: Counts) -> None:
    at: datetime = row["published_at"]
    before = [[one.at for one in log.commits if one.at <= at] for log in histories]
    if not all(mine or log.is_whole for mine, log in zip(before, histories, strict=True)):
        counts.unseen[SHORTENED] += 1
        return
    newest = max((mine[-1] for mine in before if mine), default=None)
    if newest is None and any(one.at > at + CLOCKS for log in histories for one in log.commits):
        counts.unseen[FOREIGN_CLOCK] += 1
        return
    hours = None if newest is None else round((at - newest).total_seconds() / 3600, 2)
    # A commit that came while the figures were computed has an age of zero.
    came = any(at < one.at <= at + CLOCKS for log in histories for one in log.commits)
    counts.note("freshness", row["value"] == hours or (came and row["value"] == 0.0))


def _oldest_day(look: _Lake, row: _Row, counts: Counts) -> None:
    at: datetime = row["published_at"]
    said = row["first_day"] - timedelta(days=round(row["value"]))
    files = [part for parts in look.parts.values() for part in parts]
    there = min((part.day for part in files if not _added_after(part, at)), default=None)
    surely = (part.day for part in files if not _added_after(part, at - CLOCKS))
    since = any(part.day <= said and _added_after(part, at) for part in files)
    if said > min(surely, default=date.max):
        counts.note("expiry_proof", is_equal=False)  # there was an older day
    elif said == there and row["value"] == round(row["value"]):
        counts.note("expiry_proof", is_equal=True)
    elif look.removed_since(at) or since:
        counts.unseen[EXPIRED] += 1
    else:
        counts.note("expiry_proof", is_equal=False)
