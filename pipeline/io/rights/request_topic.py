"""Rights requests by topic: account ids come in, tokens go out, and nothing of the ids remains.

A message is one JSON object:

    {"request": "opt_out", "account_id": "..."}

with `request` one of opt_out, opt_in, erase, restrict, release, export, and for erase optionally
`"under_13": true`. What has to be done to stored rows is queued durably first; then standings and
the position are written in one transaction. So a crash at any point repeats at most the queueing,
which recognizes a message by its coordinates, and a replay changes nothing. A message that is not a
request is skipped with a reason and its coordinates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from kafka import KafkaConsumer, TopicPartition

from pipeline.errors import EnvironmentProblem, PositionGap, UsageError
from pipeline.io.kafka.client import KafkaAccess, connect_consumer, kafka_faults
from pipeline.io.keys.keystore import Keystore
from pipeline.io.rights.optout_list import Change
from pipeline.io.rights.optout_topic_writer import OptOutTopicWriter
from pipeline.io.rights.request_queue import RequestKind, RequestQueue, account_tokens
from pipeline.io.standings.entries import (
    erased,
    opted_in,
    opted_out,
    released,
    restricted,
    to_micros,
)
from pipeline.parsing import parse_json
from pipeline.privacy.identity.epochs import EpochKind
from pipeline.privacy.identity.tokens import check_identifier
from pipeline.privacy.optout import Standing

LARGEST_REQUEST = 4096
HEARTBEAT_EVERY = timedelta(seconds=60)


class Malformed(StrEnum):
    """Why a message is not a request."""

    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    NOT_OBJECT = "not_object"
    UNKNOWN_REQUEST = "unknown_request"
    INVALID_ACCOUNT = "invalid_account"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one kind of request does: to the list, and to the queue."""

    change: Change | None
    queue: RequestKind | None


WANTED: Mapping[str, Wanted] = {
    "opt_out": Wanted(opted_out, RequestKind.PURGE),
    "opt_in": Wanted(opted_in, None),
    "erase": Wanted(erased, RequestKind.ERASE),
    "restrict": Wanted(restricted, RequestKind.RESTRICT),
    "release": Wanted(released, RequestKind.RELEASE),
    "export": Wanted(None, RequestKind.EXPORT),
}


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """One readable message: which request, and by whom."""

    wanted: Wanted
    account_id: str


@dataclass(slots=True)
class Served:
    """What was done with some messages."""

    read: int = 0
    queued: int = 0
    changed: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    where: list[tuple[int, int, str]] = field(default_factory=list)
    """Partition, offset and reason of what was rejected; not kept in sums."""

    def __iadd__(self, other: Served) -> Served:
        self.read += other.read
        self.queued += other.queued
        self.changed += other.changed
        for reason, count in other.rejected.items():
            self.rejected[reason] = self.rejected.get(reason, 0) + count
        return self


def parse_request(value: bytes | None) -> Asked | Malformed:
    """Read one message; strict about what it uses, indifferent to other keys."""
    if not value or len(value) > LARGEST_REQUEST:
        return Malformed.TOO_LARGE if value else Malformed.NOT_JSON
    try:
        data = parse_json(value.decode("utf-8"), pairs=_without_repeats)
    except ValueError:
        return Malformed.NOT_JSON
    if not isinstance(data, dict):
        return Malformed.NOT_OBJECT
    name = data.get("request")
    wanted = WANTED.get(name) if isinstance(name, str) else None
    if wanted is None:
        return Malformed.UNKNOWN_REQUEST
    account = data.get("account_id")
    if not isinstance(account, str):
        return Malformed.INVALID_ACCOUNT
    try:
        check_identifier(account)
    except UsageError:
        return Malformed.INVALID_ACCOUNT
    if name == "erase" and data.get("under_13") is True:
        wanted = Wanted(erased, RequestKind.ERASE_UNDER_13)
    return Asked(wanted, account)


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # A second account_id would count or not, depending on the parser.
        raise ValueError
    return found


def request_number(topic: str, partition: int, offset: int) -> str:
    """Name a message by its coordinates, as requests in the queue are named."""
    return hashlib.sha256(f"{topic}/{partition}/{offset}".encode()).hexdigest()[:16]


class RequestService:
    """Serves a topic of requests; one at a time, the newest one fences the others.

    Its positions are on the opt-out topic, written together with what they led to.

    Unit of parallelism: none. Delivery: exactly-once on the list, by transactions; the queue
    recognizes what it has. Raises TelemetryError; then make a new one.
    """

    def __init__(
        self,
        access: KafkaAccess,
        topic: str,
        *,
        optouts: OptOutTopicWriter,
        queue: RequestQueue,
        keys: Keystore,
        epochs: EpochKind,
        accept_loss: bool = False,
    ) -> None:
        self._topic = topic
        self._optouts = optouts
        self._queue = queue
        self._keys = keys
        self._epochs = epochs
        self._heartbeat_at: datetime | None = None
        self._consumer: KafkaConsumer = connect_consumer(
            access, max_poll_records=500, fetch_max_wait_ms=300
        )
        with kafka_faults("reading requests", topic):
            self._begin(accept_loss)

    def _begin(self, accept_loss: bool) -> None:
        numbers = self._consumer.partitions_for_topic(self._topic)
        if not numbers:
            raise EnvironmentProblem(
                "The topic does not exist, or this user may not see it",
                where=f"topic {self._topic}",
                remedy="Create it (deploy/kafka/create-topics.sh), or grant DESCRIBE on it.",
            )
        assigned = [TopicPartition(self._topic, number) for number in sorted(numbers)]
        self._consumer.assign(assigned)
        begins = self._consumer.beginning_offsets(assigned)
        self._ends: dict[TopicPartition, int] = self._consumer.end_offsets(assigned)
        self._optouts.standings()
        for at in assigned:
            stored = self._optouts.served().get(f"{self._topic}/{at.partition}")
            if stored is not None and stored < begins[at] and not accept_loss:
                raise PositionGap(
                    f"Requests {stored} to {begins[at] - 1} are gone",
                    where=f"topic {self._topic}, partition {at.partition}",
                    why="retention removed them before they were served",
                    remedy="Have the account service send them again, then serve once with "
                    "`telemetry requests serve --accept-loss`.",
                )
            self._consumer.seek(at, max(begins[at], stored or 0))

    def serve(self, now: datetime, wait: float) -> Served:
        """Handle what arrives within `wait` seconds, and send a heartbeat when it is time."""
        with kafka_faults("reading requests", self._topic):
            found = self._consumer.poll(timeout_ms=int(wait * 1000))
        served = Served()
        standings: dict[str, Standing] = {}
        positions: dict[str, int] = {}
        known: Mapping[str, Standing] = self._optouts.standings() if found else {}
        for at, records in found.items():
            for record in records:
                served.read += 1
                asked = parse_request(record.value)
                if isinstance(asked, Malformed):
                    reason = asked.value
                    served.rejected[reason] = served.rejected.get(reason, 0) + 1
                    served.where.append((record.partition, record.offset, reason))
                    continue
                number = request_number(self._topic, record.partition, record.offset)
                self._handle(asked, number, now, known, standings, served)
            positions[f"{self._topic}/{at.partition}"] = int(self._consumer.position(at))
        beat = self._heartbeat_at is None or now - self._heartbeat_at >= HEARTBEAT_EVERY
        self._optouts.write(standings, now, served=positions, heartbeat=beat)
        if beat:
            self._heartbeat_at = now
        return served

    def _handle(
        self,
        asked: Asked,
        number: str,
        now: datetime,
        known: Mapping[str, Standing],
        standings: dict[str, Standing],
        served: Served,
    ) -> None:
        """Queue one request and note the standing that it leads to."""
        token = self._optouts.tokens([asked.account_id])[0]
        before = standings.get(token, known.get(token, Standing()))
        after = before
        if asked.wanted.change is not None:
            after = asked.wanted.change(before, to_micros(now))
        if asked.wanted.queue is not None:
            # Opting out again has nothing to purge: the purge of the first time is queued.
            repeated = asked.wanted.queue is RequestKind.PURGE and after == before
            if not repeated:
                people = account_tokens(
                    [asked.account_id],
                    optouts=self._optouts,
                    keys=self._keys,
                    epochs=self._epochs,
                    now=now,
                )
                queued = self._queue.submit(asked.wanted.queue, people, now, numbers=[number])
                served.queued += len(queued)
        if after != before:
            standings[token] = after
            served.changed += 1

    def at_end(self) -> bool:
        """Return whether everything that was there at the start has been handled."""
        return all(self._consumer.position(at) >= end for at, end in self._ends.items())

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close(autocommit=False)
        self._optouts.close()
