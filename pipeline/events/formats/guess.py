"""Which format lines are probably in: each is tried on a sample, in each envelope."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.events.formats.model import Envelope, Format, in_envelope
from pipeline.events.formats.own_json import event_of, why_not
from pipeline.events.formats.record import Refusal, Row, StrictFormat
from pipeline.events.model import Reason
from pipeline.events.schema import EventSchema

GOOD_SHARE = 0.5
"""A guess that fits less of a sample does not count."""


@dataclass(frozen=True, slots=True)
class Guess:
    """How well a format fits a sample; nothing of the sample's content."""

    name: str
    """The format's name, without an envelope."""
    format: Format
    share: float
    """Share of the records that it fits, 0 to 1."""
    whole: float
    """Share of the records in which it can also use every value."""
    filled: float
    """How many raw fields a record has, on average: decides between formats that both fit."""
    reasons: Mapping[Refusal, int]
    """Why records do not fit."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What lines probably are."""

    event: str
    share: float
    """Share of the records that are understood this way, 0 to 1."""
    name: str = ""
    """The format's name, without an envelope."""
    format: Format | None = None
    """None: the event's own JSON."""

    @property
    def options(self) -> str:
        """The command-line options that say so."""
        if self.format is None:
            return f"--event {self.event}"
        envelope = self.format.envelope
        around = "" if envelope is Envelope.NONE else f" --envelope {envelope}"
        return f"--format {self.name}{around}"


def best_fit(
    lines: Sequence[bytes],
    formats: Iterable[Format],
    schemas: Mapping[str, tuple[EventSchema, ...]],
) -> Fit | None:
    """Return the format or event that lines probably are; None if none fits half of them."""
    event, share = event_of(lines, schemas)
    own = Fit(event, share)
    fits = [
        Fit(one.format.event, one.share, one.name, one.format)
        for one in recognise(lines, formats, schemas)[:1]
    ]
    best = max([own, *fits], key=lambda fit: fit.share)
    return best if best.share >= GOOD_SHARE else None


def recognise(
    lines: Sequence[bytes],
    formats: Iterable[Format],
    schemas: Mapping[str, tuple[EventSchema, ...]],
) -> list[Guess]:
    """Guesses, the best first; formats that fit no line at all come last.

    Of two that fit equally well, the one that names more fields comes first: it also reads lines
    that have them.

    A thousand lines take less than a second for all packaged formats.
    """
    envelope = _envelope(lines)
    found = [
        _try(one.name, in_envelope(one, envelope), lines, schemas[one.event]) for one in formats
    ]
    return sorted(
        found,
        key=lambda one: (-one.whole, -one.share, -one.filled, -len(one.format.rules), one.name),
    )


def refusals(
    lines: Sequence[bytes], versions: tuple[EventSchema, ...], format_: Format | None
) -> Mapping[Refusal, int]:
    """Why lines of an event are refused, with the field concerned; None: its own JSON."""
    if format_ is None:
        return why_not(lines, versions)
    return _try(format_.name, format_, lines, versions).reasons


def with_fields(reason: Reason, refused: Mapping[Refusal, int]) -> str:
    """A reason with the fields that it concerns: `missing_field (occurred_at)`."""
    fields = sorted({one.field for one in refused if one.reason is reason and one.field})
    return f"{reason.value} ({', '.join(fields)})" if fields else reason.value


def _try(
    name: str, format_: Format, lines: Sequence[bytes], versions: tuple[EventSchema, ...]
) -> Guess:
    strict = StrictFormat(format_, versions, b"")
    answers = [answer for at, line in enumerate(lines) for answer in strict.decode(line, str(at))]
    rows = [answer for answer in answers if isinstance(answer, Row)]
    whole = sum(not row.nulled for row in rows)
    values = sum(value is not None for row in rows for value in row.values)
    return Guess(
        name,
        format_,
        len(rows) / max(len(answers), 1),
        whole / max(len(answers), 1),
        values / max(len(rows), 1),
        Counter(answer for answer in answers if isinstance(answer, Refusal)),
    )


def _envelope(lines: Sequence[bytes]) -> str:
    """The envelope that most lines are in."""
    votes = Counter(_envelope_of(line) for line in lines[:100])
    return votes.most_common(1)[0][0] if votes else Envelope.NONE


def _envelope_of(line: bytes) -> str:
    parts = line.split(b" ", 3)
    if len(parts) == 4 and parts[1] in (b"stdout", b"stderr") and parts[2] in (b"F", b"P"):
        return Envelope.CRI
    if line.startswith(b'{"log":') and b'"stream":"' in line:
        return Envelope.DOCKER
    return Envelope.NONE
