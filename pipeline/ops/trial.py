"""Messages taken through the pipeline's stages in memory: what would be stored of them.

The keys are created for the trial and discarded, so its tokens match nothing that is stored.
Nobody is on the opt-out list: an event is dropped here only for its own signal.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from pipeline.events.catalogue import Catalogue
from pipeline.events.decode.decoder import Decoder
from pipeline.events.formats.decoder import FormatDecoder
from pipeline.events.formats.model import Format
from pipeline.events.model import CleanBatch, RawBatch, Slice, Span
from pipeline.events.schema import EventSchema
from pipeline.privacy.anonymize import Anonymizer
from pipeline.privacy.identity.epochs import Epoch
from pipeline.privacy.optout import OptOutGate, OptOutState
from pipeline.privacy.policy import Policy


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides how a message is treated, apart from its schema."""

    catalogue: Catalogue
    country: Callable[[str], str]
    policy: Policy
    now: datetime


def slice_of(messages: Sequence[bytes], event: str) -> Slice:
    """Return messages of an event as one slice, the first of a file; offsets number them from 0."""
    ends = np.cumsum([len(message) for message in messages], dtype=np.int64)
    return Slice(
        span=Span("memory", "messages", 0, 0, len(messages)),
        event=event,
        data=b"".join(messages),
        starts=np.concatenate([np.zeros(1, np.int64), ends])[: len(messages)],
        ends=ends,
        offsets=np.arange(len(messages), dtype=np.int64),
        header=b"",
    )


def decode_messages(
    messages: Sequence[bytes], schemas: tuple[EventSchema, ...], format_: Format | None
) -> RawBatch:
    """Decode messages of an event, the first of a file; without a format they are its own JSON."""
    decoder = Decoder(schemas) if format_ is None else FormatDecoder(format_, schemas)
    return decoder.decode(slice_of(messages, schemas[-1].event))


def anonymize_batch(raw: RawBatch, schemas: tuple[EventSchema, ...], rules: Rules) -> CleanBatch:
    """Drop and anonymize decoded messages."""
    keys = ThrownAwayKeys()
    gate = OptOutGate(keys.permanent_key("optout"))
    now_us = round(rules.now.timestamp() * 1_000_000)
    kept = gate.drop(raw, OptOutState(), now_us, time_field=schemas[-1].time_field)
    by_event: Mapping[str, tuple[EventSchema, ...]] = {raw.event: schemas}
    anonymizer = Anonymizer(by_event, rules.catalogue, keys, rules.country, rules.policy)
    return anonymizer.anonymize(kept, rules.now)


class ThrownAwayKeys:
    """Keys for one trial: like a keystore's, and gone with this object."""

    def __init__(self) -> None:
        self._keys: dict[str, bytes] = {}

    def epoch_key(self, epoch: Epoch) -> bytes:
        """Return an epoch's key."""
        return self.permanent_key(epoch.name)

    def permanent_key(self, name: str) -> bytes:
        """Return the key with this name."""
        return self._keys.setdefault(name, secrets.token_bytes(32))
