"""Buckets of numbers and of times.

A bucket of a timestamp is the bucket of the seconds between the event's time and that timestamp.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import pyarrow as pa

from pipeline.events.schema import Field
from pipeline.events.treatments import (
    HARMLESS,
    NUMBERS,
    FieldType,
    Treatment,
    TreatmentError,
)
from pipeline.privacy.columns import Bools, Numbers, numbers, validity, with_nulls
from pipeline.privacy.tools import Tools, Work
from pipeline.privacy.treatments.column import ColumnTreatment, check_holds
from pipeline.privacy.values import buckets
from pipeline.privacy.values.buckets import Bucketed

_NUMERAL = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True)
class Bucket(ColumnTreatment):
    """The representative of a number's bucket."""

    makes = ("representative",)
    sensitivities = HARMLESS

    phrase: ClassVar[str]

    def in_words(self) -> str:
        return self.phrase

    @abstractmethod
    def reduce(self, values: Numbers, valid: Bools | None) -> Bucketed:
        """The representative of each value."""

    @abstractmethod
    def storable(self) -> list[float]:
        """Every number that can be stored: the column holds them, and the audit finds others."""

    def check_columns(self, field: Field) -> None:
        check_holds(field, self.storable())

    def treat(self, tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
        del tools
        column = work.raw(field)
        values, valid = numbers(column), validity(column)
        if pa.types.is_timestamp(column.type):
            values = (values - work.event_us) / 1e6
            if valid is not None:
                values[~valid] = 0
        found = self.reduce(values, valid)
        for why, count in found.nulled.items():
            work.count_nulled(field, why, count)
        return (with_nulls(found.values, found.usable, field.columns[0].type),)


@dataclass(frozen=True, slots=True)
class _Capped(Bucket):
    """Buckets of rising size, up to a power of two."""

    @property
    def kinds(self) -> frozenset[FieldType]:
        return NUMBERS

    @property
    def cap(self) -> int:
        """Exponent of the cap."""
        return int(self.args[1])

    def check(self, sources: Collection[str]) -> None:
        del sources
        numerals = self.args[1:]
        if len(numerals) != 1 or not numerals[0].isdigit() or not 1 <= int(numerals[0]) <= 62:
            raise TreatmentError(f"{self.form} takes the exponent of its cap, 1 to 62")


@dataclass(frozen=True, slots=True)
class QuarterOctaves(_Capped):
    """Four buckets per doubling."""

    form = "bucket[log4,N]"
    stores = "geometric mean of a quarter-octave bucket, capped at 2^N"
    phrase = "middle of its bucket, four buckets to a doubling"

    def reduce(self, values: Numbers, valid: Bools | None) -> Bucketed:
        return buckets.log4(values, valid, self.cap)

    def storable(self) -> list[float]:
        return buckets.quarter_octaves(self.cap)


@dataclass(frozen=True, slots=True)
class _Powers(_Capped):
    """The power of a base, itself a power of two, at or below the number."""

    doublings: ClassVar[int]
    """How many doublings one bucket spans."""

    def check(self, sources: Collection[str]) -> None:
        _Capped.check(self, sources)
        if self.cap % self.doublings:
            raise TreatmentError(
                f"the cap of {self.form} is a power of its base: N is a multiple of "
                f"{self.doublings}"
            )

    def reduce(self, values: Numbers, valid: Bools | None) -> Bucketed:
        return buckets.powers(values, valid, self.cap, self.doublings)

    def storable(self) -> list[float]:
        return [0.0, *(float(1 << bit) for bit in range(0, self.cap + 1, self.doublings))]

    def keeps_no_more_than(self, other: Treatment) -> bool:
        return (
            isinstance(other, _Powers)
            and self.doublings % other.doublings == 0
            and self.cap <= other.cap
        )


@dataclass(frozen=True, slots=True)
class PowersOfTwo(_Powers):
    """One bucket per doubling."""

    form = "bucket[pow2,N]"
    stores = "power of two at or below, capped at 2^N"
    phrase = "power of two below it"
    doublings = 1


@dataclass(frozen=True, slots=True)
class PowersOfFour(_Powers):
    """One bucket per two doublings."""

    form = "bucket[pow4,N]"
    stores = "power of four at or below, capped at 2^N (N is even)"
    phrase = "power of four below it"
    doublings = 2


@dataclass(frozen=True, slots=True)
class _Bounded(Bucket):
    """Buckets between named edges."""

    @property
    def kinds(self) -> frozenset[FieldType]:
        return NUMBERS | {FieldType.TIMESTAMP}

    @property
    def edges(self) -> list[float]:
        """The edges, rising."""
        return [float(arg) for arg in self.args[1:]]

    def check(self, sources: Collection[str]) -> None:
        del sources
        if not all(_NUMERAL.fullmatch(numeral) for numeral in self.args[1:]):
            raise TreatmentError("bucket edges are plain decimal numbers from 0")
        if len(self.edges) < 2 or any(a >= b for a, b in pairwise(self.edges)):
            raise TreatmentError(f"{self.form} takes two or more rising edges")

    def storable(self) -> list[float]:
        return self.edges

    def keeps_no_more_than(self, other: Treatment) -> bool:
        return isinstance(other, type(self)) and set(self.edges) <= set(other.edges)


@dataclass(frozen=True, slots=True)
class LowerEdges(_Bounded):
    """The largest edge that is not above the value."""

    form = "bucket[edges,A,B,...]"
    stores = "the largest edge that is not above the value"
    phrase = "lower edge of its bucket"

    def reduce(self, values: Numbers, valid: Bools | None) -> Bucketed:
        return buckets.edges(values, valid, self.edges)


@dataclass(frozen=True, slots=True)
class UpperEdges(_Bounded):
    """The smallest edge that is not below the value."""

    form = "bucket[upto,A,B,...]"
    stores = "the smallest edge that is not below the value, the last one beyond it"
    phrase = "upper edge of its bucket"

    def reduce(self, values: Numbers, valid: Bools | None) -> Bucketed:
        return buckets.upto(values, valid, self.edges)
