"""What a format is: how lines are read, and which raw field is made from what.

A format is data: a closed set of operations on named values, no expressions. It says where the raw
fields of an event are found, and nothing about what is stored: a field keeps the treatment that its
schema declares, and what a format does not name never leaves Decode.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from pipeline.events.schema import FieldType

Source = tuple[str, ...]
"""A value of a line: names from the line inwards (JSON), a capture, or a column."""

POSITION: Source = ("@position",)
"""The message's position: identity of the file and byte offset, or topic, partition and offset."""

NULL_WORDS = ("-", "")
"""Texts that stand for a missing value, unless a format says otherwise."""

PLACEHOLDERS = frozenset(
    {"-", "null", "undefined", "anonymous", "00000000-0000-0000-0000-000000000000"}
)
"""Identifiers that name nobody, in small letters; blanks are one too. A closed list."""


class Reads(StrEnum):
    """How the text of a line is taken apart."""

    @property
    def is_json(self) -> bool:
        """Whether values are named by paths."""
        return self in (Reads.JSON, Reads.OTLP)

    JSON = "json"
    PATTERN = "pattern"
    """Captures between literals."""
    QUOTED = "quoted"
    """Columns between spaces; one in quotes may hold spaces."""
    W3C = "w3c"
    """Columns between spaces or tabs, as the last line `#Fields:` names them."""
    TSV = "tsv"
    """Columns between tabs."""
    OTLP = "otlp"
    """OTLP/JSON logs: a line is many records, whose attributes are read by their names."""


class Envelope(StrEnum):
    """What a container runtime has put around each line."""

    NONE = "none"
    CRI = "cri"
    DOCKER = "docker"


class Time(StrEnum):
    """How a time is written."""

    RFC3339 = "rfc3339"
    CLF = "clf"
    UTC = "date+time"
    UNIX_S = "unix_s"
    UNIX_MS = "unix_ms"
    UNIX_US = "unix_us"
    UNIX_NS = "unix_ns"


class Take(StrEnum):
    """Which item of a list counts."""

    FIRST = "first"
    LAST = "last"


class Decoding(StrEnum):
    """How the writer of the line escaped a text."""

    PERCENT = "percent"
    PLUS = "plus"
    BACKSLASH = "\\x"


class Part(StrEnum):
    """Which part of a request line or URL is meant."""

    METHOD = "method"
    PATH = "path"


class Unit(StrEnum):
    """What a span of time is counted in; fields count in milliseconds."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A line as literal text with values in between; it fits a line as a whole."""

    lead: str
    """The text before the first value."""
    captures: tuple[tuple[str, str], ...]
    """(name, literal after it); a value extends to the first occurrence of that literal."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How lines of text are taken apart; not used for JSON."""

    patterns: tuple[Pattern, ...] = ()
    """The first that fits counts."""
    columns: tuple[str, ...] = ()
    """Names of columns, in order; for `w3c`, until a line `#Fields:` names others."""
    separator: str = " "
    least: int = 0
    """The fewest columns of a quoted line: the last ones came with later releases."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How one raw field is made."""

    field: str
    kind: FieldType
    sources: tuple[Source, ...] = ()
    """Where it comes from; several numbers are added up, date and time are joined."""
    otherwise: Source | None = None
    """Where it comes from if the sources have no value."""
    minus: Source | None = None
    """What is subtracted from a number."""
    constant: str | int | None = None
    """The value of every message, in place of a source."""
    null: tuple[str, ...] = NULL_WORDS
    """Texts that mean a missing value. Times and signals ignore this."""
    no_negative: bool = False
    """Whether a number below zero means a missing value."""
    unit: Unit | None = None
    times: tuple[Time, ...] = ()
    take: Take | None = None
    splits: bool = False
    """Whether `take` finds items between the commas of a text, as in every format but JSON."""
    decode: tuple[Decoding, ...] = ()
    part: Part | None = None

    @property
    def reads(self) -> tuple[Source, ...]:
        """Every value of the line that it looks at, `@position` left out."""
        more = (one for one in (self.otherwise, self.minus) if one is not None)
        return tuple(one for one in (*self.sources, *more) if one != POSITION)


@dataclass(frozen=True, slots=True)
class Format:
    """A format that fits the schemas it was loaded with. Picklable; holds no data."""

    name: str
    """Name of a packaged format, or the path of an own one."""
    comment: str
    event: str
    version: int
    """The version of the event that its messages are read as."""
    reads: Reads
    envelope: Envelope
    layout: Layout
    rules: tuple[Rule, ...]
    """In the order of the schema's fields."""
    depth: int
    """How deep a message may be nested."""
    warnings: tuple[str, ...]
    """What cannot work because the format carries no value for it."""


def in_envelope(format_: Format, envelope: str | None) -> Format:
    """The format with its lines inside an envelope; unchanged if none is named."""
    if envelope is None or envelope == format_.envelope:
        return format_
    name = format_.name if envelope == Envelope.NONE else f"{format_.name} in {envelope}"
    return replace(format_, name=name, envelope=Envelope(envelope))
