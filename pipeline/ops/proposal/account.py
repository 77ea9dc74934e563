"""How a sample would be treated: counts by declared field and reason, no value of any line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.events.catalogue import UNMATCHED
from pipeline.events.formats.guess import with_fields
from pipeline.events.formats.record import Refusal
from pipeline.events.model import CleanBatch, RawBatch, Reason
from pipeline.events.schema import EventSchema
from pipeline.ops.trial import Rules


@dataclass(frozen=True, slots=True)
class FieldAccount:
    """One raw field of the event."""

    field: str
    fate: str
    """Kept, generalised, tokenised or dropped; absent if no line has it."""
    lines: int
    """Messages that have a value for it."""
    how: str


@dataclass(frozen=True, slots=True)
class SampleAccount:
    """All messages of a sample: read = kept + rejected + dropped."""

    event: str
    read: int
    kept: int
    old: int
    """Of those that are kept: how many are read only with `--backfill`."""
    rejected: Mapping[str, int]
    """By reason, with the fields that it concerns."""
    dropped: Mapping[str, int]
    nulled: Mapping[str, int]
    """Values that cannot be used, by `field.reason`."""
    fields: tuple[FieldAccount, ...]
    unmatched: int | None
    """Of those that are kept: how many match no route; None for an event without routes."""


def account_of(
    raw: RawBatch,
    clean: CleanBatch,
    schema: EventSchema,
    rules: Rules,
    recent_days: int,
    refused: Mapping[Refusal, int],
) -> SampleAccount:
    """Count the results of a sample that went through the stages as with `--backfill`.

    `recent_days` is the age that is accepted without it. `refused` says which fields the lines
    lack.
    """
    reasons = Counter(Reason(one) for one in clean.rejected.column("reason").to_pylist())
    oldest = rules.now - timedelta(days=recent_days)
    times = raw.rows.column(schema.time_field)
    too_old = reasons[Reason.TOO_OLD]
    old = pc.sum(pc.less(times, pa.scalar(oldest, times.type))).as_py() or 0
    return SampleAccount(
        event=raw.event,
        read=raw.read,
        kept=clean.rows.num_rows,
        old=max(0, min(old - too_old, clean.rows.num_rows)),
        rejected={with_fields(reason, refused): count for reason, count in reasons.most_common()},
        dropped={drop.value: count for drop, count in clean.dropped.items() if count},
        nulled={f"{name}.{why}": count for (name, why), count in clean.nulled.items()},
        fields=tuple(_fields(raw.rows, schema)),
        unmatched=_unmatched(clean.rows, schema),
    )


def _fields(rows: pa.RecordBatch, schema: EventSchema) -> list[FieldAccount]:
    found = []
    for field in schema.fields:
        lines = rows.num_rows - rows.column(field.name).null_count
        fate = field.treatment.fate if lines else "absent"
        found.append(FieldAccount(field.name, fate, lines, field.treatment.in_words()))
    return found


def _unmatched(rows: pa.RecordBatch, schema: EventSchema) -> int | None:
    routed = [column.name for column in schema.columns if column.values == "routes"]
    if not routed:
        return None
    values: list[str | None] = rows.column(routed[0]).to_pylist()
    return values.count(UNMATCHED)
