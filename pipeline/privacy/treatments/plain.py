"""Treatments that take nothing but the value: keep, drop, floor, pseudonymize."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.events.model import UNREADABLE
from pipeline.events.schema import Field
from pipeline.events.treatments import (
    ANY_SENSITIVITY,
    HARMLESS,
    NUMBERS,
    FieldType,
    Treatment,
    TreatmentError,
)
from pipeline.privacy.columns import numbers, validity, with_nulls
from pipeline.privacy.identity.pseudonyms import token_column
from pipeline.privacy.identity.tokens import Domain
from pipeline.privacy.tools import Tools, Work
from pipeline.privacy.treatments.column import ColumnTreatment, check_holds, limits

OUT_OF_RANGE = "out_of_range"


@dataclass(frozen=True, slots=True)
class Drop(ColumnTreatment):
    """Nothing is stored; the field's comment says what it is read for."""

    form = "drop"
    stores = "nothing; the comment says what the field is read for"
    fate = "dropped"
    makes = ()
    sensitivities = ANY_SENSITIVITY

    @property
    def kinds(self) -> frozenset[FieldType]:
        return frozenset(FieldType)

    def in_words(self) -> str:
        return "read, never stored"

    def treat(self, tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
        del tools, work, field
        return ()


@dataclass(frozen=True, slots=True)
class Keep(ColumnTreatment):
    """A number as it came, from A to B, else in the range of its column. Text is never kept."""

    form = "keep[A,B]"
    stores = (
        "the number itself, null below A and above B; `keep` alone: what the column's type "
        "holds; never for identifying fields or content"
    )
    fate = "kept"
    makes = ("number",)
    sensitivities = HARMLESS

    @property
    def kinds(self) -> frozenset[FieldType]:
        return NUMBERS

    def check(self, sources: Collection[str]) -> None:
        del sources
        good = len(self.args) == 2 and all(arg.isdigit() and len(arg) < 16 for arg in self.args)
        if self.args and not (good and int(self.args[0]) < int(self.args[1])):
            raise TreatmentError("keep takes no arguments, or two rising whole numbers: keep[A,B]")

    def in_words(self) -> str:
        return (
            f"the value itself, from {self.args[0]} to {self.args[1]}"
            if self.args
            else ("the value itself")
        )

    def keeps_no_more_than(self, other: Treatment) -> bool:
        if not isinstance(other, Keep) or not other.args or self == other:
            return isinstance(other, Keep)
        return bool(self.args) and (
            int(other.args[0]) <= int(self.args[0]) and int(self.args[1]) <= int(other.args[1])
        )

    def bounds(self, kind: pa.DataType) -> tuple[float, float]:
        """The smallest and the largest number that a column of that type stores."""
        return (int(self.args[0]), int(self.args[1])) if self.args else limits(kind)

    def check_columns(self, field: Field) -> None:
        check_holds(field, [float(arg) for arg in self.args])

    def treat(self, tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
        del tools
        column = work.raw(field)
        values, valid = numbers(column), validity(column)
        kind = field.columns[0].type
        lowest, highest = self.bounds(kind)
        inside = (values >= lowest) & (values <= highest)
        if not inside.all():
            refused = ~inside if valid is None else ~inside & valid
            work.count_nulled(field, OUT_OF_RANGE, int(np.count_nonzero(refused)))
            valid = inside if valid is None else inside & valid
            values = np.where(inside, values, 0)
        return (with_nulls(values, valid, kind),)


@dataclass(frozen=True, slots=True)
class FloorHour(ColumnTreatment):
    """UTC day and hour of the event."""

    form = "floor[hour]"
    stores = "`event_date` and `event_hour`"
    makes = ("UTC day", "UTC hour")
    sensitivities = HARMLESS

    @property
    def kinds(self) -> frozenset[FieldType]:
        return frozenset({FieldType.TIMESTAMP})

    def in_words(self) -> str:
        return "day and hour; minutes and seconds are cut off"

    def treat(self, tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
        del tools
        day, hour = field.columns
        return (
            pa.array(work.days.astype(np.int32), pa.int32()).view(day.type),
            with_nulls(work.hours, None, hour.type),
        )


_DOMAINS = {
    Domain.SUBJECT: "keyed token of the account, another one in every key epoch",
    Domain.SESSION: "keyed token of the session, another one in every key epoch",
    Domain.EVENT: "keyed token of the event, to remove duplicates",
    Domain.FINGERPRINT: "keyed hash of the text without its numbers, names, paths and quotes",
}


@dataclass(frozen=True, slots=True)
class Pseudonymize(ColumnTreatment):
    """A token under the key of the row's epoch; for a message, the fingerprint of its skeleton."""

    form = "pseudonymize[DOMAIN]"
    stores = "keyed token: `subj`, `sess`, `evt`; `fp` is the fingerprint of a message's skeleton"
    fate = "tokenised"
    makes = ("token",)
    sensitivities = ANY_SENSITIVITY

    @property
    def kinds(self) -> frozenset[FieldType]:
        fingerprint = self.args == (Domain.FINGERPRINT.value,)
        return frozenset({FieldType.STRING if fingerprint else FieldType.IDENTIFIER})

    def check(self, sources: Collection[str]) -> None:
        del sources
        if len(self.args) != 1 or self.args[0] not in [domain.value for domain in _DOMAINS]:
            names = ", ".join(domain.value for domain in _DOMAINS)
            raise TreatmentError(f"pseudonymize takes one domain of {names}")

    def in_words(self) -> str:
        return _DOMAINS[Domain(self.args[0])]

    def treat(self, tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
        del tools
        column, domain = work.raw(field), Domain(self.args[0])
        if domain is Domain.FINGERPRINT:
            unreadable = pc.equal(column, UNREADABLE)
            if pc.any(unreadable).as_py():
                column = pc.if_else(unreadable, "", column)
        return (token_column(column, work.groups, domain),)
