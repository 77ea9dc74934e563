"""The opt-out list as a compacted topic: token as key, standing as value, and heartbeats.

Every process keeps the whole list in memory, packed: read to its end before anything else is
read, and tailed from then on. The list is as old as the newest message on the topic, by the time
that the broker or the writer gave it, so a broker that is gone and a writer that has died look
the same. Past the limit `OptOutPaused` says so until news arrives. A message that cannot be
understood pauses reading, too, until its key is rewritten or deleted: it may be somebody's opt-out.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors

from pipeline.errors import EnvironmentProblem, OptOutPaused, OptOutStale
from pipeline.io.kafka.client import KafkaAccess, connect_consumer, explain
from pipeline.io.standings.entries import MalformedStanding, decode, to_micros
from pipeline.io.standings.table import MANY, StandingTable
from pipeline.parsing import parse_json
from pipeline.privacy.optout import OptOutState, Standing

HEARTBEAT = b"heartbeat"
"""Key of the message that says: there is no other news. A token never looks like it."""

POSITION = b"position/"
"""Prefix of the keys under which the service of requests keeps how far it has read."""

STALE_AFTER = timedelta(minutes=15)
TAIL_SECONDS = 1.0
"""How often to look at the topic."""
RETRY_SECONDS = 5.0
"""How long to wait after the topic could not be read."""
LOAD_SECONDS = 300.0

_TOKEN = re.compile(rb"[0-9a-f]{32}")
_LOG = logging.getLogger(__name__)


class OptOutTopic:
    """The list of one topic, as a worker sees it. Connects at `load`; not thread-safe."""

    def __init__(
        self,
        access: KafkaAccess,
        topic: str,
        now: Callable[[], datetime],
        *,
        stale_after: timedelta = STALE_AFTER,
    ) -> None:
        self.topic = topic
        self._access = access
        self._now = now
        self._stale_after = stale_after
        self._consumer: KafkaConsumer | None = None
        self._positions: dict[int, int] = {}
        self._table = StandingTable()
        self._changes: dict[str, Standing | None] = {}
        """What is not yet in the table."""
        self._state = OptOutState(self._table)
        self._unreadable: dict[bytes, str] = {}
        self._newest_ms = 0
        self._looked_at = float("-inf")
        self._loaded = False
        self.served: dict[str, int] = {}
        """Next offset by `<topic>/<partition>` of the requests that the list includes."""

    def load(self) -> OptOutState:
        """Read the list to its end as of now. Raises OptOutStale; see `refresh`."""
        self._looked_at = float("-inf")
        self._load()
        return self._judged(self._now())

    def refresh(self, now: datetime) -> OptOutState:
        """Return the list with what is new. Raises OptOutPaused if there was no news for too long.

        Also if a message cannot be understood; OptOutStale if the topic has lost messages.
        """
        if not self._loaded:
            self._load()
        elif time.monotonic() - self._looked_at >= TAIL_SECONDS:
            self._looked_at = time.monotonic()
            self._tail()
        return self._judged(now)

    def age(self, now: datetime) -> timedelta | None:
        """Return how old the newest message is; None if there is none."""
        if not self._newest_ms:
            return None
        return timedelta(microseconds=max(0, to_micros(now) - self._newest_ms * 1000))

    def read_to_end(self) -> Mapping[str, Standing]:
        """Return all standings as of now, however old the news is: for writers.

        Raises OptOutPaused if the topic cannot be read.
        """
        if not self._loaded or self._consumer is None:
            self._looked_at = float("-inf")
            self._load()
        else:
            try:
                asked = [TopicPartition(self.topic, number) for number in self._positions]
                found = self._consumer.end_offsets(asked, 10_000)
                self._read_up_to(self._consumer, {at.partition: end for at, end in found.items()})
            except kafka_errors.KafkaError as error:
                self._loaded = False
                raise self._paused(explain(error, "reading it", self.topic).what.lower()) from None
        return self._state.standings

    def close(self) -> None:
        """Close the connection; the next call connects again."""
        if self._consumer is not None:
            self._consumer.close()
        self._consumer = None
        self._loaded = False

    # -- reading --------------------------------------------------------------------------------

    def _load(self) -> None:
        if time.monotonic() - self._looked_at < RETRY_SECONDS:
            raise self._paused("it could not be read a moment ago")
        self.close()
        self._looked_at = time.monotonic()
        try:
            self._consumer = connect_consumer(
                self._access,
                isolation_level="read_committed",
                max_partition_fetch_bytes=4 * 1024 * 1024,
                fetch_max_wait_ms=100,
                bootstrap_timeout_ms=5_000,
                max_poll_records=20_000,
            )
            ends = self._start(self._consumer)
            self._read_up_to(self._consumer, ends)
        except EnvironmentProblem as problem:
            self.close()
            raise self._paused(f"{problem.what.lower()}: {problem.why or problem.where}") from None
        except kafka_errors.KafkaError as error:
            self.close()
            what = explain(error, "reading the opt-out list", self.topic).what
            raise self._paused(what.lower()) from None
        self._loaded = True

    def _start(self, consumer: KafkaConsumer) -> dict[int, int]:
        partitions = sorted(consumer.partitions_for_topic(self.topic) or ())
        if not partitions:
            raise kafka_errors.UnknownTopicOrPartitionError
        asked = [TopicPartition(self.topic, number) for number in partitions]
        ends = {at.partition: end for at, end in consumer.end_offsets(asked, 10_000).items()}
        for number, seen in self._positions.items():
            if ends.get(number, 0) < seen:
                raise OptOutStale(
                    "The opt-out topic has lost messages, so nothing is read",
                    where=f"topic {self.topic}, partition {number}",
                    why=f"it ended at {seen} or later before, and ends at {ends.get(number, 0)}",
                    remedy="Restore it; then start again.",
                )
        consumer.assign(asked)
        for at, begin in consumer.beginning_offsets(asked, 10_000).items():
            consumer.seek(at, begin)
        self._positions, self._changes, self._unreadable = {}, {}, {}
        self._table = StandingTable()
        return ends

    def _read_up_to(self, consumer: KafkaConsumer, ends: dict[int, int]) -> None:
        deadline = time.monotonic() + LOAD_SECONDS
        waiting = dict(ends)
        while waiting:
            if time.monotonic() > deadline:
                raise kafka_errors.KafkaTimeoutError
            self._take(consumer.poll(timeout_ms=200))
            if len(self._changes) > MANY:
                self._settle()
            for number in list(waiting):
                at = consumer.position(TopicPartition(self.topic, number))
                if at >= waiting[number]:
                    del waiting[number]
        self._note_positions(consumer)
        self._looked_at = time.monotonic()
        self._settle()

    def _tail(self) -> None:
        consumer = self._consumer
        assert consumer is not None
        try:
            changed = False
            # A poll sends the next request and returns what earlier ones brought.
            while found := consumer.poll(timeout_ms=0):
                changed |= self._take(found)
        except kafka_errors.RetriableError:
            return
        except kafka_errors.KafkaError:
            # Out of range, or rights that were withdrawn: read all of it again.
            self._loaded = False
            return
        if changed:
            self._note_positions(consumer)
            self._settle()

    def _settle(self) -> None:
        self._table = self._table.changed(self._changes).compact()
        self._changes = {}
        self._state = OptOutState(self._table)

    def _note_positions(self, consumer: KafkaConsumer) -> None:
        for at in consumer.assignment():
            self._positions[at.partition] = consumer.position(at)

    def _take(self, found: dict[Any, list[Any]]) -> bool:
        """Apply messages; return whether the list has changed."""
        changed = False
        now_ms = to_micros(self._now()) // 1000
        for records in found.values():
            for record in records:
                # A clock that is ahead must not hide a silence that comes later.
                self._newest_ms = max(self._newest_ms, min(record.timestamp, now_ms))
                if record.key == HEARTBEAT:
                    continue
                if record.key is not None and record.key.startswith(POSITION):
                    self._apply_position(record)
                    continue
                changed = True
                self._apply(record)
        return changed

    def _apply(self, record: Any) -> None:
        key = record.key or b""
        self._unreadable.pop(key, None)
        if record.value is None:
            if _TOKEN.fullmatch(key):
                self._changes[key.decode()] = None
            return
        try:
            token, standing = decode(record.value)
            if not _TOKEN.fullmatch(key) or token.encode() != key:
                raise MalformedStanding
        except MalformedStanding:
            self._note_unreadable(key, record)
        else:
            self._changes[token] = standing

    def _apply_position(self, record: Any) -> None:
        self._unreadable.pop(record.key, None)
        name = record.key[len(POSITION) :].decode("utf-8", "replace")
        if record.value is None:
            self.served.pop(name, None)
            return
        try:
            self.served[name] = int(parse_json(record.value)["next"])
        except (ValueError, TypeError, KeyError):
            self._note_unreadable(record.key, record)

    def _note_unreadable(self, key: bytes, record: Any) -> None:
        where = f"partition {record.partition}, offset {record.offset}"
        self._unreadable[key] = where
        _LOG.error("topic %s, %s: not an entry of the opt-out list", self.topic, where)

    # -- judging --------------------------------------------------------------------------------

    def _judged(self, now: datetime) -> OptOutState:
        if not self._loaded:
            raise self._paused("it has to be read again")
        if self._unreadable:
            where = next(iter(self._unreadable.values()))
            raise self._paused(f"the message at {where} is not an entry of the list")
        age = self.age(now)
        if age is None:
            raise self._paused("there is no message on it, not even a heartbeat")
        if age > self._stale_after:
            minutes = int(age.total_seconds() // 60)
            raise self._paused(f"there was no news for {minutes} minutes")
        return self._state

    def _paused(self, why: str) -> OptOutPaused:
        return OptOutPaused(
            "Reading is paused: the opt-out list is not known well enough",
            where=f"topic {self.topic}",
            why=why,
            remedy="Reading goes on by itself. Heartbeats come from `telemetry requests serve`.",
        )
