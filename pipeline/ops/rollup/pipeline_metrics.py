"""What the pipeline counted about itself: freshness, completeness, rejections, expiry.

These numbers come from the lake's log, not from event rows: they are counts of messages, and
nobody knows how many accounts are behind them. So they are coarse. Messages that were malformed,
late or repeated are shown as less than 20, 50, 100 ... messages, and in two digits only from a
thousand on, where the digits left out cover more than a few accounts send. What people asked to be
dropped is never shown as a number, only as less than a share of all that was read on the day, a
share of at least 20 messages. The day that is still open may be shown and replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.io.lake.commits import Commit
from pipeline.ops.rollup.publication import KEYS, PUBLISHED

OPT_OUT_DROPS = ("opt_out", "signal")
"""Drops at the person's own request, as `opt_out_rate` counts them."""

FEW = 20
"""Fewer messages than this are not distinguished."""

LIMITS = (FEW, 50, 100, 200, 500, 1_000)
"""Below the last, a count is shown as less than one of these: two digits would be all of it."""

SHARES = (0.01, 0.05, 0.2, 0.5)
"""Steps for the share of messages that people asked to be dropped."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about the lake besides its rows."""

    commits: Sequence[Commit] = ()
    late: Mapping[tuple[str, date], int] = field(default_factory=dict)
    """Events committed after their day was closed, by event and event day."""
    newest_commit: datetime | None = None
    oldest_day: date | None = None
    last_expiry: str | None = None
    epochs_live: int | None = None
    epochs_destroyed: int | None = None
    geo: Mapping[str, str] = field(default_factory=dict)
    """Type, build date and credit line of the country database."""
    heads: Mapping[str, int] = field(default_factory=dict)
    """By event, the first version of the log that a later run must read again."""

    def status(self) -> dict[str, object]:
        """What the page says about the present, as JSON."""
        return {
            "newest_commit": self.newest_commit.isoformat() if self.newest_commit else None,
            "oldest_day": str(self.oldest_day) if self.oldest_day else None,
            "last_expiry": self.last_expiry,
            "epochs_live": self.epochs_live,
            "epochs_destroyed": self.epochs_destroyed,
            "geo": dict(self.geo),
        }


def fact_rows(
    facts: Facts, duplicates: Mapping[tuple[str, date], int], now: datetime
) -> dict[str, pa.Table]:
    """The rows of every fact metric, by metric."""
    rows: dict[str, list[dict[str, object]]] = {}
    read: dict[date, int] = {}
    accounted: dict[date, int] = {}
    rejected: dict[tuple[date, str], int] = {}
    dropped: dict[tuple[date, str], int] = {}
    for commit in facts.commits:
        day = commit.at.astimezone(UTC).date()
        read[day] = read.get(day, 0) + commit.read
        refused = sum(commit.rejected.values()) + sum(commit.dropped.values())
        accounted[day] = accounted.get(day, 0) + commit.written + refused
        for reason, count in commit.rejected.items():
            rejected[day, reason] = rejected.get((day, reason), 0) + count
        for reason, count in commit.dropped.items():
            dropped[day, reason] = dropped.get((day, reason), 0) + count
    for day, total in read.items():
        wishes = sum(dropped.get((day, reason), 0) for reason in OPT_OUT_DROPS)
        rows.setdefault("completeness", []).append(_complete(day, accounted[day], total))
        share = {"under": share_step(wishes, total), "denominator": coarse(total)}
        rows.setdefault("opt_out_rate", []).append({"first_day": day, **share})
    for (day, reason), count in dropped.items():
        step = share_step(count, read[day])
        messages = None if step is None else coarse(step * read[day])
        named = {"first_day": day, "cut": "reason", "key1": reason, "under": messages}
        rows.setdefault("dropped", []).append(named)
    for (day, reason), count in rejected.items():
        rows.setdefault("rejected", []).append(count_row(day, "reason", reason, count))
    for name, by_event in (("duplicate", duplicates), ("late", facts.late)):
        for (event, day), count in by_event.items():
            rows.setdefault(name, []).append(count_row(day, "event", event, count))
    today = now.astimezone(UTC).date()
    if facts.newest_commit is not None:
        hours = (now - facts.newest_commit).total_seconds() / 3600
        rows["freshness"] = [{"first_day": today, "value": round(max(hours, 0.0), 2)}]
    if facts.oldest_day is not None:
        age = (today - facts.oldest_day).days
        rows["expiry_proof"] = [{"first_day": today, "value": float(age)}]
    return {name: _table(entries, now) for name, entries in rows.items()}


def coarse(count: float) -> float:
    """Keep two digits of a count.

    >>> [coarse(count) for count in (7, 123, 98_765)]
    [7.0, 120.0, 99000.0]
    """
    return float(f"{count:.2g}")


def share_step(count: int, read: int) -> float | None:
    """Return the smallest share step above `count` of `read` that is at least `FEW` messages.

    >>> share_step(9, 40_000), share_step(900, 40_000), share_step(9, 10)
    (0.01, 0.05, None)
    """
    steps = (step for step in SHARES if step * read > count and step * read >= FEW)
    return next(steps, None)


def hidden_rows(hidden: Sequence[pa.Table], now: datetime) -> pa.Table:
    """What the gate hid: the share of perturbed events per metric, table and window."""
    entries: list[dict[str, object]] = []
    for table in hidden:
        for row in table.to_pylist():
            names = {"grain": row["window"], "cut": "metric,table"}
            names |= {"key1": row["metric"], "key2": row["by"] or "total"}
            entries.append({"first_day": row["start"], "value": row["share"], **names})
    return _table(entries, now)


def keep_rows(before: pa.Table, fresh: pa.Table, oldest: date) -> pa.Table:
    """Replace rows of the same cell; facts are not frozen, because they are not about people."""
    replaced = fresh.select(list(KEYS)).append_column(
        "new", pa.array([True] * fresh.num_rows, pa.bool_())
    )
    joined = before.join(replaced, keys=list(KEYS), join_type="left outer")
    kept = joined.filter(pc.is_null(joined["new"])).select(before.column_names)
    table = pa.concat_tables([kept.cast(PUBLISHED), fresh])
    table = table.filter(pc.greater_equal(table["first_day"], pa.scalar(oldest)))
    return table.sort_by([(name, "ascending") for name in KEYS])


def count_row(day: date, by: str, key: str, count: float) -> dict[str, object]:
    """Messages of one kind: none is 0, few are less than a limit, many are in two digits."""
    limit = next((one for one in LIMITS if 0 < count < one), None)
    number = {"value": coarse(count)} if limit is None else {"under": float(limit)}
    return {"first_day": day, "cut": by, "key1": key, **number}


def _complete(day: date, above: int, below: int) -> dict[str, object]:
    """The part of all read messages that is accounted for; counts in two digits, share in six."""
    value = round(above / below, 6) if below else None
    whole = coarse(below)
    part = None if value is None else value * whole
    return {"first_day": day, "value": value, "numerator": part, "denominator": whole}


def _table(entries: Sequence[Mapping[str, object]], now: datetime) -> pa.Table:
    defaults = {"grain": "day", "cut": "", "key1": "", "key2": "", "revision": 0}
    whole = [
        {**defaults, "last_day": entry["first_day"], "published_at": now, **entry}
        for entry in entries
    ]
    columns = {
        item.name: pa.array([entry.get(item.name) for entry in whole], item.type)
        for item in PUBLISHED
    }
    return pa.table(columns, schema=PUBLISHED)
