"""What a later version of an event may change: it may add, and it may keep less. Nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.errors import SchemaError
from pipeline.events.schema import EventSchema


def check_evolution(older: EventSchema, newer: EventSchema) -> None:
    """Refuse a version that drops or changes a field or column of an earlier one, or keeps more.

    Analysts' queries and rows already stored rely on them; a new meaning is a new name. A later
    version may keep less of a field, where what it stores could be computed from what was stored
    before: powers of four from powers of two. Then old and new rows can be read alike.
    """
    where = f"{newer.event}/v{newer.version}.yaml"
    for name in _changed(older, newer):
        raise SchemaError(
            f"{name!r} of version {older.version} is missing or has another type",
            where=where,
            remedy="Declare it as before; give a new meaning a new name",
        )
    for field in older.fields:
        later = newer.field(field.name)
        if not later.treatment.keeps_no_more_than(field.treatment):
            raise SchemaError(
                f"{field.name!r} was {field.treatment} in version {older.version}, and "
                f"{later.treatment} does not follow from that",
                where=where,
                remedy="Keep the treatment, declare a coarser one, or give it another name",
            )


def _changed(older: EventSchema, newer: EventSchema) -> Iterator[str]:
    raw = {field.name: field.type for field in newer.fields}
    for field in older.fields:
        if raw.get(field.name) is not field.type:
            yield field.name
    stored = {column.name: (column.type, column.values) for column in newer.columns}
    for column in older.columns:
        if stored.get(column.name) != (column.type, column.values):
            yield column.name
