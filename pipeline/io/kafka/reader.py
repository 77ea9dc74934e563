"""Read slices of a share of a topic's partitions, at the pace that commits can follow.

Kafka is the buffer: a partition is left alone until its backlog is worth a slice, or until the
flush interval has passed since its last commit; then it is drained to its end as of now, up to the
slice's size. One partition is read at a time, so memory does not grow with their number, and 64
small partitions make 64 commits in a flush interval, not 64 a second. Backlogs and new partitions
are found by one small request a second; an idle reader sends nothing else.

Positions come from the lake alone. `[start, next fetch position)` is committed, so that control
records and holes that compaction left are skipped once and for all.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable

from kafka import errors as kafka_errors

from pipeline.errors import EnvironmentProblem
from pipeline.events.model import Slice, Span
from pipeline.io.kafka import identity
from pipeline.io.kafka.client import Unreachable, explain
from pipeline.io.kafka.fetch import PartitionFetch
from pipeline.io.kafka.group_offsets import Publication
from pipeline.io.kafka.identity import SOURCE, app_id_of, stand_of, text_of
from pipeline.io.kafka.messages import join
from pipeline.io.kafka.partition import Partition
from pipeline.io.kafka.raw_records import BadBatch
from pipeline.io.source import Clock, Pace, Positions

LOOK_SECONDS = 1.0
"""How often to look for backlogs and new partitions."""
STAYS_SECONDS = 10.0
"""How long an end may lie before the lake's position: a new leader may not know its own end yet."""
PATIENCE_SECONDS = 60.0
"""How long a reader tries to reach a topic that the lake has nothing from before it gives up."""

_LOG = logging.getLogger(__name__)


class KafkaReader:
    """The reader of one shard of a topic: partitions p with `p % count == index`.

    Delivery: at least once, by position; replay after `forget` or a restart begins where the lake
    stands. A broker that goes away is waited for. Raises PositionGap if messages after the lake's
    position are gone, TopicReplaced if the position belongs to another topic or lies past the end
    of the partition, DamagedBatch before a batch that cannot be read.
    """

    def __init__(
        self,
        connect: Callable[[], PartitionFetch],
        topic: str,
        event: str,
        *,
        index: int,
        count: int,
        positions: Positions,
        pace: Pace,
        clock: Clock,
        latest: bool = False,
        publication: Publication | None = None,
    ) -> None:
        self._connect = connect
        self._topic = topic
        self._event = event
        self._index = index
        self._count = count
        self._ask_lake = positions
        self._pace = pace
        self._clock = clock
        self._latest = latest
        self._publication = publication
        self._fetch: PartitionFetch | None = None
        self._partitions: dict[int, Partition] = {}
        self._ends_at_open: dict[int, int] | None = None
        self._flushing = pace.to_end
        self._looked_at = float("-inf")
        self._first_try: float | None = None
        self._topic_id: uuid.UUID | None = None
        self._reading = (0,)
        self._short_since: dict[int, float] = {}
        """Partitions that end before the lake's position, and since when."""

    # -- the port -------------------------------------------------------------------------------

    def poll(self, wait: float) -> Slice | None:
        """Return the next slice that is due, or None after waiting at most about `wait`."""
        found = self._next()
        if found is None and wait > 0:
            time.sleep(wait)
            found = self._next()
        return found

    def committed(self, span: Span) -> None:
        """Take note that the span is in the lake."""
        partition = self._partitions.get(span.partition)
        if partition is None:
            return
        partition.move_to(span, self._topic_id)
        partition.committed_at = self._clock()
        if self._publication is not None:
            self._publication.note(span.partition, span.stop)

    def forget(self) -> None:
        """Drop positions and everything buffered: ask the lake again."""
        self._partitions.clear()
        self._looked_at = float("-inf")

    def flush(self) -> None:
        """Treat everything that is there as due."""
        self._flushing = True

    def at_end(self) -> bool:
        """Return whether all that was there at opening has been committed."""
        if self._ends_at_open is None or self._short_since:
            return False
        return all(
            number in self._partitions and self._partitions[number].start >= end
            for number, end in self._ends_at_open.items()
        )

    def lag(self) -> int:
        """Count messages that are known to be there and are not committed."""
        return sum(partition.backlog for partition in self._partitions.values())

    def is_known(self) -> bool:
        """Return whether the lake has a position of any partition of the topic."""
        numbers = set(self._partitions)
        if self._fetch is not None:
            numbers |= self._fetch.partitions()
        app_ids = [app_id_of(self._topic, number) for number in sorted(numbers)]
        return any(position is not None for position in self._ask_lake(app_ids))

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        if self._publication is not None:
            self._publication.close()
        if self._fetch is not None:
            self._fetch.close()
            self._fetch = None

    # -- what is there ----------------------------------------------------------------------------

    def _next(self) -> Slice | None:
        fetch = self._connected()
        if fetch is None:
            return None
        try:
            self._look(fetch)
            for partition in self._due():
                found = self._cut(fetch, partition)
                if found is not None:
                    return found
        except kafka_errors.OffsetOutOfRangeError:
            self.forget()
        except Unreachable as error:
            _LOG.info("Kafka does not answer at the moment (%s)", type(error).__name__)
        except kafka_errors.LogTruncationError as error:
            known = {
                at.partition: end and end.offset for at, end in error.divergent_offsets.items()
            }
            raise identity.truncated(self._topic, known) from None
        except BadBatch as error:
            (number,) = self._reading
            raise identity.damaged(self._topic, number, error.start, error.stop) from None
        except kafka_errors.SaslAuthenticationFailedError as error:
            # Credentials that a broker refuses, or a token that could not be fetched.
            if not fetch.lacks_token():
                raise explain(error, "reading", self._topic) from None
        except kafka_errors.KafkaError as error:
            raise explain(error, "reading", self._topic) from None
        return None

    def _connected(self) -> PartitionFetch | None:
        if self._fetch is None:
            now = self._clock()
            try:
                self._fetch = self._connect()
            except EnvironmentProblem as problem:
                if self._is_out_of_patience(now):
                    raise
                _LOG.warning("Kafka cannot be used (%s); trying again", problem.why)
        return self._fetch

    def _look(self, fetch: PartitionFetch) -> None:
        """Find backlogs and new partitions, once a second."""
        now = self._clock()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        fetch.lacks_token()  # a refusal ends the reading
        there = fetch.partitions()
        if not there and not self._partitions:
            if self._is_out_of_patience(now):
                unknown = kafka_errors.UnknownTopicOrPartitionError()
                raise explain(unknown, "looking it up", self._topic)
            return
        self._compare(fetch.topic_id())
        mine = {p for p in there if p % self._count == self._index}
        if mine - self._partitions.keys():
            self._adopt(fetch, mine)
            return
        try:
            ends = fetch.ends(mine, timeout_ms=1000)
        except Unreachable:
            # One partition without a leader hides all ends: then each one is simply tried.
            ends = {}
        for number, partition in self._partitions.items():
            partition.known_end = ends.get(number)
            if partition.known_end is not None:
                self._mind_end(partition, fetch)
        if self._ends_at_open is None:
            self._ends_at_open = {}

    def _adopt(self, fetch: PartitionFetch, mine: set[int]) -> None:
        """Begin to read partitions that were not read before, from where the lake stands."""
        begins, ends = fetch.begins(mine), fetch.ends(mine)
        found = dict(self._partitions)
        for number in sorted(mine - found.keys()):
            stand = stand_of(self._ask_lake, self._topic, number)
            begin, end = begins[number], ends[number]
            # A slice of a partition never seen starts at 0 for the lake, wherever it begins.
            read_from = (
                (end if self._latest else begin) if stand.position is None else stand.position
            )
            found[number] = Partition(number, stand.position or 0, read_from, stand, end, end)
        self._partitions = found
        self._compare(fetch.topic_id())
        for number in mine:
            stored = found[number].stand.position
            if stored is not None and stored < begins[number]:
                raise identity.gone(self._topic, number, stored, begins[number])
            self._mind_end(found[number], fetch)
        parts = found.items()
        fetch.start_at({n: p.read_from for n, p in parts}, {n: p.epoch for n, p in parts})
        if self._ends_at_open is None:
            self._ends_at_open = {number: ends[number] for number in mine}

    def _compare(self, topic_id: uuid.UUID | None) -> None:
        """Raise TopicReplaced if a position belongs to another topic than the broker has now."""
        if topic_id is None:
            return
        parts = self._partitions.values()
        for stand in [partition.stand for partition in parts]:
            if stand.topic_id not in (None, topic_id) and stand.position is not None:
                read = {p.number: p.stand.position for p in parts if p.stand.position is not None}
                raise identity.replaced(self._topic, stand.topic_id, topic_id, read)
        if self._topic_id not in (None, topic_id):
            read = {p.number: p.start for p in parts}
            raise identity.replaced(self._topic, self._topic_id, topic_id, read)
        self._topic_id = topic_id
        new = [p for p in parts if p.stand.topic_id is None and p.stand.position is not None]
        if any(not partition.adopts for partition in new):
            _LOG.warning(
                "The lake has positions of topic %s and no topic id, as version 0.1 wrote them: "
                "id %s is taken for theirs",
                self._topic,
                text_of(topic_id),
            )
        for partition in new:
            partition.adopts = True

    def _mind_end(self, partition: Partition, fetch: PartitionFetch) -> None:
        """Raise TopicReplaced if a partition ends before the lake's position, and this persists."""
        number, end = partition.number, partition.known_end
        if end is None or end >= partition.start:
            self._short_since.pop(number, None)
            return
        since = self._short_since.setdefault(number, self._clock())
        if self._clock() - since >= STAYS_SECONDS:
            topic_id = fetch.topic_id()
            raise identity.past_end(self._topic, number, partition.start, end, topic_id)

    def _is_out_of_patience(self, now: float) -> bool:
        """Return whether to give up on a topic that cannot be reached.

        Never once it has been read: an outage of the brokers will end. A first start with a
        wrong address or name should say so.
        """
        self._first_try = now if self._first_try is None else self._first_try
        if self._pace.to_end:
            return True
        if now - self._first_try <= PATIENCE_SECONDS:
            return False
        return stand_of(self._ask_lake, self._topic, self._index).position is None

    # -- slices -----------------------------------------------------------------------------------

    def _due(self) -> list[Partition]:
        """Partitions that a slice should be cut from now, the longest waiting first."""
        now = self._clock()
        parts = self._partitions.values()
        due = [p for p in parts if p.is_due(now, self._pace, flushing=self._flushing)]
        return sorted(due, key=lambda partition: partition.committed_at)

    def _cut(self, fetch: PartitionFetch, partition: Partition) -> Slice | None:
        """Drain one partition to its end as of now, or to the slice's size."""
        number = partition.number
        self._reading = (number,)
        try:
            whole = fetch.drain(
                number, partition.read_from, partition.known_end, self._pace, self._clock
            )
            position = fetch.position(number)
            if position <= partition.start and not partition.adopts:
                partition.not_before = self._clock() + LOOK_SECONDS
                return None
            # What was fetched is from this topic only if the topic is still the same afterwards.
            fetch.look_again()
            self._compare(fetch.topic_id())
        except BaseException:
            # What was fetched and not handed out must be fetched again.
            fetch.start_at({number: partition.read_from}, {number: partition.epoch})
            raise
        if whole.parts:
            partition.message_bytes = whole.size / len(whole)
        position = max(position, partition.start)
        partition.known_end = max(position, partition.known_end or 0)
        marks = partition.stand.marks(self._topic_id, fetch.epoch(number))
        span = Span(SOURCE, self._topic, number, partition.start, position, marks)
        return join(whole.parts).slice(span, self._event)
