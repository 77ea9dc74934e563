"""What becomes of each field of an event, in words, and for one real event in stored values.

The explanation shows what would be stored and never what came in. Its keys are made for it and
thrown away, so its tokens match nothing that is stored.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from pipeline.events.catalogue import Catalogue
from pipeline.events.decode import Decoder
from pipeline.events.model import CleanBatch, RawBatch, Slice, Span
from pipeline.events.schema import EventSchema, Field
from pipeline.events.treatments import Treatment
from pipeline.privacy.anonymize import Anonymizer
from pipeline.privacy.epochs import Epoch
from pipeline.privacy.optout import OptOutGate, OptOutState
from pipeline.privacy.policy import Policy

FATES = {
    "keep": "kept",
    "drop": "dropped",
    "floor": "generalised",
    "truncate": "generalised",
    "bucket": "generalised",
    "generalize": "generalised",
    "pseudonymize": "tokenised",
}
_DOMAINS = {
    "subj": "keyed token of the account, another one in every key epoch",
    "sess": "keyed token of the session, another one in every key epoch",
    "evt": "keyed token of the event, to remove duplicates",
    "fp": "keyed hash of the text without its numbers, names, paths and quotes",
}
_REDUCTIONS = {
    "agent": "family and major version of the client, system, kind of device; closed lists",
    "route": "the route of the API that it matches, else /{unmatched}",
    "referrer": "class of the site, from a closed list",
    "age": "days since then in four classes",
    "minor": "major.minor",
}
_BUCKETS = {
    "log4": "middle of its bucket, four buckets to a doubling",
    "pow2": "power of two below it",
    "edges": "lower edge of its bucket",
    "upto": "upper edge of its bucket",
}


@dataclass(frozen=True, slots=True)
class FieldStory:
    """One declared field: what was done with it and why."""

    field: str
    fate: str
    how: str
    stored: Mapping[str, object]
    """Columns with their values; values are None where only the schema is explained."""
    purpose: str
    comment: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A whole event."""

    event: str
    version: int
    fields: tuple[FieldStory, ...]
    refused: str | None = None
    """Why the event was rejected or dropped as a whole, if it was."""


def in_words(treatment: Treatment) -> str:
    """A treatment as a phrase."""
    first = treatment.args[0] if treatment.args else ""
    if treatment.name == "keep":
        return "the value itself"
    if treatment.name == "drop":
        return "read, never stored"
    if treatment.name == "floor":
        return "day and hour; minutes and seconds are cut off"
    if treatment.name == "truncate":
        return "network of its first bits, its class and its country"
    if treatment.name == "pseudonymize":
        return _DOMAINS[first]
    if treatment.name == "bucket":
        return _BUCKETS[first]
    return _REDUCTIONS.get(first, f"value of the closed list {first}, else its fallback")


def explain_schema(schema: EventSchema) -> Explanation:
    """What is done with every field, without an event."""
    stories = (
        _story(field, {column.name: None for column in field.columns}) for field in schema.fields
    )
    return Explanation(schema.event, schema.version, tuple(stories))


def _story(field: Field, stored: Mapping[str, object], fate: str = "") -> FieldStory:
    return FieldStory(
        field=field.name,
        fate=fate or FATES[field.treatment.name],
        how=in_words(field.treatment),
        stored=stored,
        purpose=field.purpose,
        comment=field.comment,
    )


class _ThrownAway:
    """Keys for one explanation."""

    def __init__(self) -> None:
        self._keys: dict[str, bytes] = {}

    def epoch_key(self, epoch: Epoch) -> bytes:
        return self._keys.setdefault(epoch.name, secrets.token_bytes(32))


def explain_event(
    message: bytes,
    schemas: tuple[EventSchema, ...],
    catalogue: Catalogue,
    country: Callable[[str], str],
    policy: Policy,
    now: datetime,
) -> Explanation:
    """Decode and anonymize one message, and tell field by field what would be stored."""
    schema = schemas[-1]
    source = Slice(
        span=Span("file", "explained", 0, 0, len(message)),
        event=schema.event,
        data=message,
        starts=np.array([0], dtype=np.int64),
        ends=np.array([len(message)], dtype=np.int64),
        offsets=np.array([0], dtype=np.int64),
    )
    raw = Decoder(schemas).decode(source)
    if raw.rows.num_rows == 0:
        return Explanation(schema.event, schema.version, (), _refusal(raw))
    # Nobody is on this list: what drops an event here is its own signal.
    gate = OptOutGate(secrets.token_bytes(32))
    raw = gate.drop(raw, OptOutState(), round(now.timestamp() * 1_000_000))
    clean = Anonymizer(
        {schema.event: schemas}, catalogue, _ThrownAway(), country, policy
    ).anonymize(raw, now)
    if clean.rows.num_rows == 0:
        return Explanation(schema.event, schema.version, (), _refusal(clean))
    row = clean.rows.to_pylist()[0]
    stories = []
    for field in schema.fields:
        stored = {column.name: row[column.name] for column in field.columns}
        absent = not raw.rows.column(field.name)[0].is_valid
        lost = bool(stored) and not absent and all(value is None for value in stored.values())
        fate = "absent" if absent else "made null" if lost else ""
        stories.append(_story(field, stored, fate))
    return Explanation(schema.event, schema.version, tuple(stories))


def _refusal(batch: RawBatch | CleanBatch) -> str:
    if batch.dropped:
        return f"dropped: {next(iter(batch.dropped)).value}"
    return f"rejected: {batch.rejected.column('reason')[0].as_py()}"
