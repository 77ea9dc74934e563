"""Which topic a position belongs to: the broker's topic id and leader epoch beside it in the log.

A topic that is deleted and created again under its name has other messages at the same offsets.
The broker gives every topic an id of its own; it is kept beside each position, as are the epoch
of the leader that wrote the last message read:

    kafka/<topic>/<partition>           the position
    kafka/<topic>/<partition>/id-high   the topic id, first and last 64 bits
    kafka/<topic>/<partition>/id-low
    kafka/<topic>/<partition>/epoch     the leader epoch; -1: not known

Lakes of version 0.1 have only positions, and brokers before 2.8 give no ids. Both are accepted as
they are: an unknown identity is not compared.

The functions at the end say what to raise when a topic contradicts what the lake has of it: each
error names topic, partition and offsets, and the command that records a decision.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.errors import DamagedBatch, PositionGap, SourceError, TopicReplaced
from pipeline.events.model import Mark
from pipeline.io.source import Positions

SOURCE = "kafka"
"""First part of the app ids: `kafka/<topic>/<partition>`."""

NO_EPOCH = -1


@dataclass(frozen=True, slots=True)
class Stand:
    """What the lake's log knows about one partition."""

    app_id: str
    position: int | None
    topic_id: uuid.UUID | None
    epoch: int | None

    def marks(self, topic_id: uuid.UUID | None, epoch: int | None) -> tuple[Mark, ...]:
        """Return what a commit says about the identity; what the broker does not tell stays."""
        marks = []
        if topic_id is not None:
            before = (None, None) if self.topic_id is None else _halves(self.topic_id)
            names = ("id-high", "id-low")
            for name, old, new in zip(names, before, _halves(topic_id), strict=True):
                marks.append(Mark(f"{self.app_id}/{name}", old, new))
        if epoch is not None and (epoch != NO_EPOCH or self.epoch is not None):
            marks.append(Mark(f"{self.app_id}/epoch", self.epoch, epoch))
        return tuple(marks)


def app_id_of(topic: str, partition: int) -> str:
    """Return where the position of a partition is kept."""
    return f"{SOURCE}/{topic}/{partition}"


def stand_of(positions: Positions, topic: str, partition: int) -> Stand:
    """Ask the lake where a partition stands, and which topic that was in."""
    app_id = app_id_of(topic, partition)
    names = ("", "/id-high", "/id-low", "/epoch")
    position, high, low, epoch = positions([f"{app_id}{name}" for name in names])
    known = None if high is None or low is None else _joined(high, low)
    return Stand(app_id, position, known, epoch)


def text_of(topic_id: uuid.UUID | None) -> str:
    """Return an id as Kafka's own tools show it.

    >>> text_of(uuid.UUID("5f3c2a10-9c4b-4d6e-8f01-23456789abcd"))
    'XzwqEJxLTW6PASNFZ4mrzQ'
    """
    if topic_id is None:
        return "unknown"
    return base64.urlsafe_b64encode(topic_id.bytes).decode().rstrip("=")


def _halves(topic_id: uuid.UUID) -> tuple[int, int]:
    return (
        int.from_bytes(topic_id.bytes[:8], signed=True),
        int.from_bytes(topic_id.bytes[8:], signed=True),
    )


def _joined(high: int, low: int) -> uuid.UUID:
    return uuid.UUID(bytes=high.to_bytes(8, signed=True) + low.to_bytes(8, signed=True))


def gone(topic: str, number: int, stored: int, begin: int) -> PositionGap:
    """Retention took messages before they were read."""
    command = f"telemetry kafka gap --topic {topic} --partition {number} --to {begin}"
    return PositionGap(
        f"Messages {stored} to {begin - 1} are gone",
        where=_at(topic, number),
        why="retention removed them before they were read",
        remedy=f"Record the gap and go on with `{command}`.",
    )


def replaced(
    topic: str, known: uuid.UUID | None, found: uuid.UUID | None, read: Mapping[int, int]
) -> TopicReplaced:
    """The topic has another id than the one that was read."""
    was = ", ".join(f"partition {number} up to {read[number]}" for number in sorted(read))
    return TopicReplaced(
        "The topic is not the one that was read",
        where=f"topic {topic}",
        why=f"its id is {text_of(found)}, and the lake has read the topic {text_of(known)} "
        f"({was or 'nothing of it'})",
        remedy=_accept(topic),
    )


def past_end(
    topic: str, number: int, stored: int, end: int, topic_id: uuid.UUID | None
) -> SourceError:
    """The lake stands past the end of the partition, and this persists."""
    return TopicReplaced(
        f"The lake's position {stored} is past the partition's end {end}",
        where=_at(topic, number),
        why=f"the topic (id {text_of(topic_id)}) lost messages, or is a different topic",
        remedy=f"Restore it and run again. {_accept(topic)}",
    )


def truncated(topic: str, divergent: Mapping[int, int | None]) -> SourceError:
    """A broker without the newest messages became leader, and reuses their offsets."""
    places = ", ".join(
        f"partition {number} from {'an unknown offset' if offset is None else offset} on"
        for number, offset in sorted(divergent.items())
    )
    return TopicReplaced(
        "Messages that the lake has were lost by Kafka",
        where=f"topic {topic}, {places}" if places else f"topic {topic}",
        why="a broker without them became leader",
        remedy="Keep unclean.leader.election.enable=false. To continue at the lake's position: "
        f"`telemetry kafka accept {topic} --as same`. What was produced between the two offsets "
        "since then is not read.",
    )


def damaged(topic: str, number: int, start: int, stop: int | None) -> DamagedBatch:
    """A record batch cannot be read."""
    upto = "" if stop is None else f" to {stop - 1}"
    to = "OFFSET" if stop is None else str(stop)
    command = f"telemetry kafka gap --topic {topic} --partition {number} --to {to}"
    return DamagedBatch(
        f"The record batch with messages {start}{upto} is damaged",
        where=_at(topic, number),
        why="its checksum or structure is wrong",
        remedy="What came before it is stored. Look at the broker's disks, or restore a replica; "
        f"to skip exactly this batch: `{command}`.",
    )


def _accept(topic: str) -> str:
    return (
        f"Decide with `telemetry kafka accept {topic} --as new` (its messages are read from the "
        f"first one) or `--as same` (the offsets mean the same messages: go on)."
    )


def _at(topic: str, number: int) -> str:
    return f"topic {topic}, partition {number}"
