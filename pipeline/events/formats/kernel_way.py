"""The fast way: the kernel does for all lines of a slice what `record` does for one line.

The values that a format asks for are read as columns of text; each rule is one pass over such a
column. Rows are refused at the end, by the rules of `record`.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.events.decode.strict_json import INT64_MAX, INT64_MIN
from pipeline.events.decode.table import ARROW, Kind, array_of
from pipeline.events.formats.columns import Made, position_of
from pipeline.events.formats.model import POSITION, Format, Rule, Source, Unit
from pipeline.events.formats.one_by_one import OneByOne
from pipeline.events.formats.parse import shape_of
from pipeline.events.formats.reading import RECORD_BITS, Lines, Reader, texts_of
from pipeline.events.formats.record import REFUSING
from pipeline.events.formats.values import in_milliseconds
from pipeline.events.model import Offsets, Reason, Slice
from pipeline.events.schema import EventSchema, FieldType

_KINDS: Final = {
    FieldType.STRING: Kind.TEXT,
    FieldType.IDENTIFIER: Kind.TEXT,
    FieldType.INT64: Kind.INT,
    FieldType.FLOAT64: Kind.FLOAT,
    FieldType.TIMESTAMP: Kind.TIME,
    FieldType.DATE: Kind.DATE,
    FieldType.SIGNAL: Kind.SIGNAL,
}
_SURE = 2**60
"""Sums of a few numbers below this cannot overflow 64 bits."""

Codes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64] | npt.NDArray[np.float64]


@dataclass(slots=True, repr=False)
class _Column:
    """A field's values, and the rows whose value could not be used, with why."""

    values: pa.Array
    rows: Offsets
    whys: Codes


_NO_ROWS: Final = np.empty(0, np.int64)
_NO_WHYS: Final = np.empty(0, np.uint8)


class ByKernel:
    """Reads by the kernel. Keeps nothing of the messages."""

    def __init__(
        self, native: ModuleType, format_: Format, schemas: tuple[EventSchema, ...]
    ) -> None:
        """`schemas` are the versions of the format's event, ascending."""
        newest = schemas[-1]
        declared = next(one for one in schemas if one.version == format_.version)
        self._native = native
        self._format = format_
        self._schemas = schemas
        self._newest = newest
        self._decisive = {field.name for field in declared.fields if field.is_decisive}
        self._required = [field.name for field in declared.fields if field.required]
        self._whys = tuple(native.WHYS)
        self._refusing = np.array([why in REFUSING for why in self._whys])
        self._invalid = self._whys.index(Reason.INVALID_TYPE.value)
        kinds = {source: Kind(shape_of(rule)) for rule in format_.rules for source in rule.reads}
        if not format_.reads.is_json:
            kinds = dict.fromkeys(kinds, Kind.TEXT)
        self._sources = {source: at for at, source in enumerate(kinds)}
        self._lists = [one.sources[0] for one in format_.rules if one.kind is FieldType.LIST]
        self._reader = Reader(native, format_, list(kinds.items()))
        self._how = {rule.field: self._refinement(rule) for rule in format_.rules}

    def make(self, source: Slice) -> Made:
        """See `columns.Records`."""
        numbers = np.arange(len(source), dtype=np.int64)
        lines = Lines(np.frombuffer(source.data, np.uint8), source.starts, source.ends, numbers)
        lines.header = source.header
        read, unread = self._reader.read(lines)
        if any(unread.get(self._sources[one]) for one in self._lists):
            # The kernel does not say which rows they are in.
            return OneByOne(self._format, self._schemas).make(source)
        count = len(lines.messages)
        identities = _Identities(self._native, source, lines)
        made = {rule.field: self._made(rule, read, identities) for rule in self._format.rules}
        verdict = self._judge(made, count)
        kept = verdict < 0
        arrays = self._arrays(made, count)
        if not kept.all():
            wanted = pa.array(kept)
            arrays = [one.filter(wanted) for one in arrays]
            out = np.flatnonzero(~kept)
            lines.refused.append((lines.places()[out], [_VERDICTS[code] for code in verdict[out]]))
        nulled: dict[tuple[str, str], int] = {}
        for name, column in made.items():
            whys = column.whys if kept.all() else column.whys[kept[column.rows]]
            for code, number in enumerate(np.bincount(whys)):
                if number:
                    nulled[name, self._whys[code]] = int(number)
        refused, reasons = _in_order(lines.refused)
        return Made(arrays, lines.messages[kept], refused, reasons, nulled)

    def _judge(self, made: dict[str, _Column], count: int) -> npt.NDArray[np.int8]:
        """Return why each row is refused, as an index into `_VERDICTS`; below zero if it is not."""
        verdict = np.full(count, -1, np.int8)
        for rule in self._format.rules:
            column = made[rule.field]
            if rule.field in self._decisive and len(column.rows):
                for row, why in zip(column.rows.tolist(), column.whys.tolist(), strict=True):
                    if self._refusing[why] and verdict[row] < 0:
                        verdict[row] = _VERDICTS.index(Reason(self._whys[why]))
        missing = _VERDICTS.index(Reason.MISSING_FIELD)
        for name in self._required:
            if name in made and made[name].values.null_count:
                empty = ~_there(made[name].values)
                verdict[empty & (verdict < 0)] = missing
        return verdict

    def _arrays(self, made: dict[str, _Column], count: int) -> list[pa.Array]:
        constants = {"event": self._format.event, "version": self._format.version}
        arrays = []
        for at, field in enumerate(self._newest.fields):
            kind = self._newest.raw[at].type
            if field.name in made:
                arrays.append(made[field.name].values)
            elif field.name in constants:
                arrays.append(pa.repeat(pa.scalar(constants[field.name], kind), count))
            else:
                arrays.append(pa.nulls(count, kind))
        return arrays

    # -- One rule -------------------------------------------------------------------------------

    def _refinement(self, rule: Rule) -> object:
        if rule.kind is FieldType.LIST:
            return None
        return self._native.Refinement(
            (Kind.INT if rule.minus is not None else _KINDS[rule.kind]).value,
            take=rule.take.value if rule.take is not None and rule.splits else None,
            null=[word.encode() for word in rule.null],
            decode=[step.value for step in rule.decode],
            part=rule.part.value if rule.part is not None else None,
            identifier=rule.kind is FieldType.IDENTIFIER,
            unit=rule.unit.value if rule.unit is not None and rule.minus is None else None,
            times=[time.value for time in rule.times],
            no_negative=rule.no_negative and rule.minus is None,
        )

    def _made(self, rule: Rule, read: list[pa.Array], identities: _Identities) -> _Column:
        count = identities.count
        if rule.constant is not None:
            kind = self._newest.raw.field(rule.field).type
            return _Column(pa.repeat(pa.scalar(rule.constant, kind), count), _NO_ROWS, _NO_WHYS)
        if rule.kind is FieldType.LIST:
            return _Column(self._read(rule.sources[0], read), _NO_ROWS, _NO_WHYS)
        if rule.minus is not None:
            first = self._refined(rule, self._read(rule.sources[0], read))
            second = self._refined(rule, self._read(rule.minus, read))
            return self._difference(rule, first, second)
        if rule.kind is FieldType.TIMESTAMP and len(rule.sources) == 2:
            date, time = (self._read(source, read) for source in rule.sources)
            return self._refined(rule, pc.binary_join_element_wise(date, time, " "))
        if len(rule.sources) > 1:
            return self._sum([self._refined(rule, self._read(one, read)) for one in rule.sources])
        if rule.sources[0] == POSITION:
            return _Column(identities.of_all(), _NO_ROWS, _NO_WHYS)
        made = self._refined(rule, self._read(rule.sources[0], read))
        if rule.otherwise is None or not made.values.null_count:
            return made
        if rule.otherwise == POSITION:
            if made.values.null_count == count:
                return _Column(identities.of_all(), made.rows, made.whys)
            return _Column(identities.where_null(made.values), made.rows, made.whys)
        return _first_of(made, self._refined(rule, self._read(rule.otherwise, read)))

    def _read(self, source: Source, read: list[pa.Array]) -> pa.Array:
        return read[self._sources[source]]

    def _refined(self, rule: Rule, column: pa.Array) -> _Column:
        target = ARROW[Kind.INT if rule.minus is not None else _KINDS[rule.kind]]
        if column.null_count == len(column):
            return _Column(pa.nulls(len(column), target), _NO_ROWS, _NO_WHYS)
        bounds, data = texts_of(column)
        buffers, rows, whys = self._native.refine(self._how[rule.field], bounds, data)
        values = array_of(target, len(column), buffers)
        return _Column(values, np.frombuffer(rows, np.int64), np.frombuffer(whys, np.uint8))

    def _sum(self, parts: list[_Column]) -> _Column:
        """Add up numbers; the first missing part decides what happens to a row."""
        count = len(parts[0].values)
        is_whole = pa.types.is_integer(parts[0].values.type)
        there, bad, large = (np.full(count, on, np.bool_) for on in (True, False, False))
        total = pc.fill_null(parts[0].values, 0)
        for part in parts:
            unread = np.zeros(count, np.bool_)
            unread[part.rows] = True
            bad |= there & unread
            there &= _there(part.values)
            numbers = pc.fill_null(part.values, 0)
            total = total if part is parts[0] else pc.add(total, numbers)
            if is_whole:
                large |= _is_large(numbers.to_numpy())
        if is_whole:
            for row in np.flatnonzero(large & there).tolist():
                exact = sum(part.values[row].as_py() for part in parts)
                bad[row] = not INT64_MIN <= exact <= INT64_MAX
        else:
            bad |= there & ~np.isfinite(total.to_numpy())
        return self._column(total.to_numpy(), there & ~bad, bad)

    def _difference(self, rule: Rule, first: _Column, second: _Column) -> _Column:
        """The difference of two integers, which may be too large for a float to tell them apart."""
        count = len(first.values)
        gone = np.zeros(count, np.bool_)
        unread = np.zeros(count, np.bool_)
        for part in (first, second):
            unread[part.rows] = True
            missing = ~_there(part.values)
            missing[part.rows] = False
            gone |= missing
        bad = unread & ~gone
        there = ~gone & ~bad
        begin, end = (pc.fill_null(one.values, 0).to_numpy() for one in (second, first))
        for row in np.flatnonzero(there & (_is_large(end) | _is_large(begin))).tolist():
            bad[row] = not INT64_MIN <= int(end[row]) - int(begin[row]) <= INT64_MAX
        there &= ~bad
        apart = (end - begin).astype(np.float64)
        value = in_milliseconds(apart, rule.unit or Unit.MS)
        if rule.no_negative:
            there &= value >= 0
        return self._column(value, there, bad)

    def _column(self, values: Numbers, there: Flags, bad: Flags) -> _Column:
        rows = np.flatnonzero(bad)
        whys = np.full(len(rows), self._invalid, np.uint8)
        return _Column(pa.array(values, mask=~there), rows, whys)


_VERDICTS: Final = [Reason.INVALID_TYPE, Reason.INVALID_TIME, Reason.MISSING_FIELD]


class _Identities:
    """Where messages were read, as texts that are unique to each message."""

    def __init__(self, native: ModuleType, source: Slice, lines: Lines) -> None:
        self._native = native
        self._prefix = position_of(source).encode()
        self._offsets = source.offsets[lines.messages]
        self._numbers = lines.numbers
        self.count = len(self._offsets)

    def of_all(self) -> pa.Array:
        """The identity of every row."""
        return self._texts(np.ones(self.count, np.bool_))

    def where_null(self, values: pa.Array) -> pa.Array:
        """The values, and the identities of the rows that have none."""
        rows = ~_there(values)
        return pc.replace_with_mask(values, pa.array(rows), self._texts(rows))

    def _texts(self, rows: Flags) -> pa.Array:
        texts = self._numbered(self._prefix, self._offsets[rows])
        if self._numbers is None:
            return texts
        return pc.binary_join_element_wise(texts, self._numbered(b"", self._numbers[rows]), "/")

    def _numbered(self, prefix: bytes, numbers: Offsets) -> pa.Array:
        bounds, data = self._native.numbered(prefix, np.ascontiguousarray(numbers))
        buffers = [None, pa.py_buffer(bounds), pa.py_buffer(data)]
        return pa.Array.from_buffers(pa.string(), len(numbers), buffers)


def _first_of(made: _Column, other: _Column) -> _Column:
    """Take the other values where the first are missing, with what was wrong with those taken."""
    empty = ~_there(made.values)
    taken = other.rows[empty[other.rows]]
    left = ~np.isin(made.rows, taken)
    rows = np.concatenate([made.rows[left], taken])
    whys = np.concatenate([made.whys[left], other.whys[empty[other.rows]]])
    return _Column(pc.coalesce(made.values, other.values), rows, whys)


def _there(column: pa.Array) -> Flags:
    found: Flags = np.array(column.is_valid())
    return found


def _is_large(numbers: npt.NDArray[np.int64]) -> Flags:
    return (numbers >= _SURE) | (numbers <= -_SURE)


def _in_order(refused: list[tuple[Offsets, list[Reason]]]) -> tuple[Offsets, list[Reason]]:
    """The messages of refusals of several steps, in the order of their places."""
    some = [(numbers, reasons) for numbers, reasons in refused if len(numbers)]
    if not some:
        return _NO_ROWS, []
    numbers = np.concatenate([numbers for numbers, _ in some])
    reasons = [reason for _, reasons in some for reason in reasons]
    order = np.argsort(numbers, kind="stable")
    return numbers[order] >> RECORD_BITS, [reasons[at] for at in order.tolist()]
