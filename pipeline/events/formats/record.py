"""A line in a format, one at a time: the specification.

It runs where the kernel was not built, and is the oracle of the tests. It takes no shortcuts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.events.decode.strict import Value, signal
from pipeline.events.decode.strict_json import (
    INT64_MAX,
    INT64_MIN,
    Json,
    Refused,
    Written,
)
from pipeline.events.decode.times import parse_date
from pipeline.events.formats.lines import Lines
from pipeline.events.formats.model import POSITION, Format, Reads, Rule, Source, Take
from pipeline.events.formats.values import (
    decoded,
    in_milliseconds,
    integer,
    is_placeholder,
    number,
    part_of,
    taken,
    time_of,
)
from pipeline.events.model import UNREADABLE, Reason
from pipeline.events.schema import EventSchema, FieldType

PLACEHOLDER = "placeholder"
UNPARSEABLE = "unparseable"
"""Why a value was made null, besides the reasons of `strict`; see `model.NULL_REASONS`."""

REFUSING = frozenset({Reason.INVALID_TYPE.value, Reason.INVALID_TIME.value})
"""Problems for which a line is refused, if they occur in a field that it cannot do without."""


@dataclass(frozen=True, slots=True, repr=False)
class Row:
    """A line that was understood. Holds identifiers; never shown."""

    values: tuple[Value, ...]
    """One value for each field of the newest schema, in its order."""
    nulled: tuple[tuple[str, str], ...]
    """(field, why) for each value that could not be used."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a line is not a row; safe to show."""

    reason: Reason
    field: str | None = None
    """The raw field that is missing or cannot be read, if it is one."""


class StrictFormat:
    """Reads single lines of one format."""

    def __init__(
        self, format_: Format, versions: tuple[EventSchema, ...], header: bytes | None = None
    ) -> None:
        """`versions` are those of the format's event, ascending; `header` as `Slice.header`."""
        newest = versions[-1]
        declared = next(one for one in versions if one.version == format_.version)
        self._format = format_
        self._lines = Lines(format_, header)
        self._single = format_.reads is not Reads.OTLP
        self._places = {field.name: at for at, field in enumerate(newest.fields)}
        self._decisive = {field.name for field in declared.fields if field.is_decisive}
        self._required = [field.name for field in declared.fields if field.required]

    def decode(self, line: bytes, position: str) -> list[Row | Refusal]:
        """Return what each record of the line says, or why it is refused; nothing for a comment.

        Lines are given in their order. Never raises because of the data.
        """
        try:
            records = self._lines.read(line)
        except Refused as refusal:
            return [Refusal(refusal.reason)]
        return [
            Refusal(record)
            if isinstance(record, Reason)
            else self._row(record, position if self._single else f"{position}/{number}")
            for number, record in enumerate(records)
        ]

    def _row(self, read: dict[str, Json], position: str) -> Row | Refusal:
        values: list[Value] = [None] * len(self._places)
        values[self._places["event"]] = self._format.event
        values[self._places["version"]] = self._format.version
        nulled: list[tuple[str, str]] = []
        for rule in self._format.rules:
            value, problem = _made(rule, read, position)
            values[self._places[rule.field]] = value
            if problem in REFUSING and rule.field in self._decisive:
                return Refusal(Reason(problem), rule.field)
            if problem is not None:
                nulled.append((rule.field, problem))
        for name in self._required:
            if values[self._places[name]] is None:
                return Refusal(Reason.MISSING_FIELD, name)
        return Row(tuple(values), tuple(nulled))


_Made = tuple[Value, str | None]
"""A field's value, and why there is none or only `UNREADABLE`."""


def _made(rule: Rule, read: dict[str, Json], position: str) -> _Made:
    if rule.constant is not None:
        return rule.constant, None
    if rule.kind is FieldType.SIGNAL:
        return _signal(_at(read, rule.sources[0])), None
    if rule.kind is FieldType.LIST:
        return _list(_at(read, rule.sources[0]))
    if rule.kind in (FieldType.STRING, FieldType.IDENTIFIER):
        made = _text(rule, rule.sources[0], read, position)
        if made[0] is None and rule.otherwise is not None:
            other = _text(rule, rule.otherwise, read, position)
            return other[0], other[1] or made[1]
        return made
    texts = [_scalar(_at(read, source), rule) for source in rule.sources]
    if rule.kind is FieldType.TIMESTAMP:
        return _time(rule, texts)
    if rule.kind is FieldType.DATE:
        return _date(rule, texts[0])
    if rule.kind is FieldType.INT64:
        return _integer(rule, texts)
    if rule.minus is not None:
        return _difference(rule, texts[0], _scalar(_at(read, rule.minus), rule))
    return _number(rule, texts)


def _at(read: dict[str, Json], source: Source) -> Json:
    value: Json = read
    for name in source:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _scalar(value: Json, rule: Rule) -> str | None:
    """A text, or a number or Boolean as it was written; `UNREADABLE` for anything else."""
    take = rule.take
    if take is not None and isinstance(value, list):
        items = [item for item in value if item is not None and item != ""]
        if not all(isinstance(item, str) for item in items):
            return UNREADABLE
        return str(items[0 if take is Take.FIRST else -1]) if items else None
    if isinstance(value, Written):
        return value.digits
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return (taken(value, take) if take is not None and rule.splits else value) or None
    return None if value is None else UNREADABLE


def _is_null(rule: Rule, text: str | None) -> bool:
    return not text or text in rule.null


def _text(rule: Rule, source: Source, read: dict[str, Json], position: str) -> _Made:
    if source == POSITION:
        return position, None
    text = _scalar(_at(read, source), rule)
    if text is None or _is_null(rule, text):
        return None, None
    if text != UNREADABLE and rule.decode:
        text = decoded(text, rule.decode)
    if text == UNREADABLE:
        return UNREADABLE, Reason.INVALID_TYPE.value
    if rule.part is not None:
        part = part_of(text, rule.part)
        if part is None:
            return None, UNPARSEABLE
        text = part
    if rule.kind is FieldType.IDENTIFIER and is_placeholder(text):
        return None, PLACEHOLDER
    return text or None, None


def _signal(value: Json) -> str | None:
    if isinstance(value, list):
        return "1" if any(isinstance(item, str) and signal(item) for item in value) else None
    return signal(value) if isinstance(value, str) else None


def _list(value: Json) -> _Made:
    if value is None or value == "":
        return None, None
    if not isinstance(value, list):
        return None, Reason.INVALID_TYPE.value
    texts = [item for item in value if isinstance(item, str)]
    if len(texts) + value.count(None) != len(value):
        return None, Reason.INVALID_TYPE.value
    return [text for text in texts if text], None


def _time(rule: Rule, texts: list[str | None]) -> _Made:
    if None in texts:
        return None, None
    micros = time_of(" ".join(text or "" for text in texts), rule.times)
    return micros, None if micros is not None else Reason.INVALID_TIME.value


def _date(rule: Rule, text: str | None) -> _Made:
    if text is None or _is_null(rule, text):
        return None, None
    days = parse_date(text)
    return days, None if days is not None else Reason.INVALID_TIME.value


def _integer(rule: Rule, texts: list[str | None]) -> _Made:
    total = 0
    for text in texts:
        if text is None or _is_null(rule, text):
            return None, None
        found = integer(text)
        if found is None:
            return None, Reason.INVALID_TYPE.value
        if found < 0 and rule.no_negative:
            return None, None
        total += found
    if not INT64_MIN <= total <= INT64_MAX:
        return None, Reason.INVALID_TYPE.value
    return total, None


def _number(rule: Rule, texts: list[str | None]) -> _Made:
    total = None
    for text in texts:
        if text is None or _is_null(rule, text):
            return None, None
        found = number(text, rule.unit)
        if found is None:
            return None, Reason.INVALID_TYPE.value
        if found < 0 and rule.no_negative:
            return None, None
        total = found if total is None else total + found
    if total is None or not math.isfinite(total):
        return None, Reason.INVALID_TYPE.value
    return total, None


def _difference(rule: Rule, text: str | None, minus: str | None) -> _Made:
    """The difference of two integers, which may be too large for a float to tell them apart."""
    if text is None or minus is None or _is_null(rule, text) or _is_null(rule, minus):
        return None, None
    first, second = integer(text), integer(minus)
    if first is None or second is None or not INT64_MIN <= first - second <= INT64_MAX:
        return None, Reason.INVALID_TYPE.value
    value = float(first - second)
    if rule.unit is not None:
        value = in_milliseconds(value, rule.unit)
    return (None, None) if value < 0 and rule.no_negative else (value, None)
