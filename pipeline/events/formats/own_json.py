"""Whether lines are an event's own JSON, and which required field they lack: for messages.

What is returned holds counts and declared names, never a value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pipeline.events.decode.strict import Record, StrictDecoder
from pipeline.events.decode.strict_json import Refused, StrictJson
from pipeline.events.formats.record import Refusal
from pipeline.events.model import Reason
from pipeline.events.schema import EventSchema


def why_not(lines: Sequence[bytes], versions: tuple[EventSchema, ...]) -> Counter[Refusal]:
    """Why lines are not the event in its own JSON; of missing fields, the first one by name."""
    decoder = StrictDecoder(versions)
    required = [one.name for one in versions[-1].fields if one.required]
    answers = ((line, decoder.decode(line)) for line in lines)
    return Counter(
        Refusal(answer, _missing(line, required) if answer is Reason.MISSING_FIELD else None)
        for line, answer in answers
        if not isinstance(answer, Record)
    )


def event_of(
    lines: Sequence[bytes], schemas: Mapping[str, tuple[EventSchema, ...]]
) -> tuple[str, float]:
    """The event that most of the lines are, in its own JSON, and their share, 0 to 1."""
    shares = {
        event: (len(lines) - why_not(lines, versions).total()) / max(len(lines), 1)
        for event, versions in sorted(schemas.items())
    }
    best = max(shares, key=lambda event: shares[event])
    return best, shares[best]


def _missing(line: bytes, required: Sequence[str]) -> str | None:
    try:
        read = StrictJson().read(line)
    except Refused:  # it was read a moment ago
        return None
    found = read if isinstance(read, dict) else {}
    return next((name for name in required if found.get(name) in (None, "")), None)
