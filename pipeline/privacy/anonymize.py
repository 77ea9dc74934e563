"""Anonymize: the only place where a `RawBatch` becomes a `CleanBatch`.

A row whose time or identifiers are out of bounds is rejected. In every other row each declared
field is treated as its schema says, and nothing else passes. Stored rows are pseudonymous, not
anonymous: they say what an account did in an hour, under a token whose key is destroyed with its
epoch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import SchemaError
from pipeline.events.catalogue import Catalogue
from pipeline.events.model import (
    OFFSET,
    REJECTED,
    SIZE,
    UNREADABLE,
    CleanBatch,
    RawBatch,
    Reason,
    Stage,
)
from pipeline.events.schema import EventSchema, FieldType
from pipeline.privacy.columns import (
    Ints,
    decoded,
    keep_rows,
    lengths,
    numbers,
    raw_column,
    validity,
)
from pipeline.privacy.identity.epochs import ORIGIN, UNIX_EPOCH
from pipeline.privacy.identity.pseudonyms import Keys, Pseudonymizer, groups_of
from pipeline.privacy.identity.tokens import IDENTIFIER_LIMIT
from pipeline.privacy.policy import BACKFILL_DAYS, Policy
from pipeline.privacy.tools import Tools, Work
from pipeline.privacy.treatments.column import treatment_of
from pipeline.privacy.values.ages import DAY_US, days_and_hours

__all__ = ["Anonymizer", "Keys", "Policy"]

_MICROSECOND = timedelta(microseconds=1)
_ORIGIN_US = (ORIGIN - UNIX_EPOCH.date()).days * DAY_US
_REASONS = (
    Reason.INVALID_TIME,
    Reason.TOO_OLD,
    Reason.IN_FUTURE,
    Reason.IDENTIFIER_TOO_LONG,
    Reason.MISSING_FIELD,
    Reason.INVALID_TYPE,
)
_CODES = {reason: code for code, reason in enumerate(_REASONS)}
_FINE = -1


class Anonymizer:
    """Turns raw batches into clean ones, by the schemas, the catalogue and one policy.

    `keys` gives the key of each epoch, `country` the country of a truncated network (see
    `addresses.AddressReducer`). Built once per worker: it caches the answers for values that
    recur. Raises `SchemaError` for a treatment that nothing implements.
    """

    def __init__(
        self,
        schemas: Mapping[str, tuple[EventSchema, ...]],
        catalogue: Catalogue,
        keys: Keys,
        country: Callable[[str], str],
        policy: Policy,
    ) -> None:
        self._schemas = {event: versions[-1] for event, versions in schemas.items()}
        self._treatments = {
            event: [(field, treatment_of(field)) for field in schema.fields]
            for event, schema in self._schemas.items()
        }
        self._tools = Tools(catalogue, policy, country)
        self._pseudonyms = Pseudonymizer(keys, policy.epoch_kind)
        self._policy = policy
        for schema in self._schemas.values():
            self._try(schema)

    def anonymize(self, batch: RawBatch, now: datetime) -> CleanBatch:
        """Return what may be stored of the batch: exactly the columns of its newest schema.

        Rows are rejected at stage `anonymize` for the first of these that holds: no time, older
        than the policy accepts or from an epoch whose key is destroyed (`too_old`), too far ahead
        (`in_future`), an identifier that is too long, missing where it is required, or not text.
        Raises `KeyUnavailable` if a key cannot be obtained; never raises because of the data.
        """
        schema = self._schemas[batch.event]
        rows = batch.rows
        event_us, reasons = self._check_times(schema, rows, now)
        days, hours = days_and_hours(event_us)
        fine = np.flatnonzero(reasons == _FINE)
        opened, indices, dead = self._pseudonyms.open(days[fine])
        reasons[fine[dead]] = _CODES[Reason.TOO_OLD]
        _check_identifiers(schema, rows, reasons)
        rejected = batch.rejected
        keep = reasons == _FINE
        if not keep.all():
            rejected = pa.concat_batches([rejected, _rejections(rows, reasons)])
            indices = indices[keep[fine]]
            rows = keep_rows(rows, keep)
            event_us, days, hours = event_us[keep], days[keep], hours[keep]
        nulled = Counter(batch.nulled)
        work = Work(schema, rows, event_us, days, hours, groups_of(opened, indices), nulled)
        return CleanBatch(
            span=batch.span,
            event=batch.event,
            read=batch.read,
            rows=self._treat(work),
            rejected=rejected,
            dropped=batch.dropped,
            nulled=dict(nulled),
        )

    def _treat(self, work: Work) -> pa.RecordBatch:
        """The stored columns of the rows, all of them rebuilt."""
        columns: dict[str, pa.Array] = {}
        for field, treatment in self._treatments[work.schema.event]:
            made = treatment.treat(self._tools, work, field)
            for column, array in zip(field.columns, made, strict=True):
                columns[column.name] = array if column.is_closed else decoded(array)
        clean = work.schema.clean
        return pa.RecordBatch.from_arrays([columns[name] for name in clean.names], schema=clean)

    def _try(self, schema: EventSchema) -> None:
        """Treat an empty batch, so that a mismatch shows before anything is read."""
        none = np.zeros(0, dtype=np.int64)
        rows = pa.RecordBatch.from_pylist([], schema.raw)
        work = Work(schema, rows, none, none, none, (), Counter())
        for field, treatment in self._treatments[schema.event]:
            made = [decoded(array).type for array in treatment.treat(self._tools, work, field)]
            if made != [column.type for column in field.columns]:
                raise SchemaError(
                    "a column is not of the type that its treatment makes",
                    where=f"{schema.event}/v{schema.version}.yaml: {field.name}",
                    remedy=f"{field.treatment} makes {', '.join(map(str, made)) or 'nothing'}",
                )

    def _check_times(
        self, schema: EventSchema, rows: pa.RecordBatch, now: datetime
    ) -> tuple[Ints, Ints]:
        """Return event times, and a reason code for each row whose time is out of bounds."""
        column = raw_column(rows, schema.time_field, pa.timestamp("us", tz="UTC"))
        event_us = np.asarray(numbers(column), dtype=np.int64)
        now_us = (now - UNIX_EPOCH) // _MICROSECOND
        # A backfill may reach back as far as rows are kept, but not into a partition that is
        # already due for removal: rows written there would outlive the run that removes it.
        oldest = max(
            now_us - self._policy.max_age_days * DAY_US,
            (now_us // DAY_US - BACKFILL_DAYS + 1) * DAY_US,
            _ORIGIN_US,
        )
        newest = now_us + self._policy.max_ahead // _MICROSECOND
        reasons = np.full(rows.num_rows, _FINE, dtype=np.int64)
        reasons[event_us < oldest] = _CODES[Reason.TOO_OLD]
        reasons[event_us > newest] = _CODES[Reason.IN_FUTURE]
        valid = validity(column)
        if valid is not None:
            reasons[~valid] = _CODES[Reason.INVALID_TIME]
        return event_us, reasons


def _check_identifiers(schema: EventSchema, rows: pa.RecordBatch, reasons: Ints) -> None:
    """Mark rows with an identifier that cannot become a token."""
    for field in schema.fields:
        if field.type is not FieldType.IDENTIFIER:
            continue
        column = raw_column(rows, field.name, pa.string())
        sizes = lengths(column)
        faults = [(sizes > IDENTIFIER_LIMIT, Reason.IDENTIFIER_TOO_LONG)]
        if field.required:
            faults.append((sizes == 0, Reason.MISSING_FIELD))
        if (sizes == len(UNREADABLE)).any():
            unreadable = pc.equal(column, UNREADABLE).fill_null(False).to_numpy(False)
            faults.append((unreadable, Reason.INVALID_TYPE))
        for where, reason in faults:
            reasons[where & (reasons == _FINE)] = _CODES[reason]


def _rejections(rows: pa.RecordBatch, reasons: Ints) -> pa.RecordBatch:
    refused = np.flatnonzero(reasons != _FINE)
    indices = pa.array(refused)
    names = pa.array([reason.value for reason in _REASONS], pa.string())
    return pa.RecordBatch.from_arrays(
        [
            raw_column(rows, OFFSET, pa.int64()).take(indices),
            raw_column(rows, SIZE, pa.int32()).take(indices),
            pa.array([Stage.ANONYMIZE.value] * len(refused), pa.string()),
            names.take(pa.array(reasons[refused])),
        ],
        schema=REJECTED,
    )
