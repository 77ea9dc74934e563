"""Read slices of a share of a topic's partitions, at the pace that commits can follow.

Kafka is the buffer: a partition is left alone until its backlog is worth a slice, or until the
flush interval has passed since its last commit; then it is drained to its end as of now, up to the
slice's size. One partition is read at a time, so memory does not grow with their number, and 64
small partitions make 64 commits in a flush interval, not 64 a second. Backlogs and new partitions
are found by one small request a second; an idle reader sends nothing else.

Positions come from the lake alone. Committed is `[start, next fetch position)`, so that control
records and holes that compaction left are passed over once and for all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from kafka import errors as kafka_errors

from pipeline.errors import EnvironmentProblem, PositionGap, SourceError
from pipeline.events.model import Slice, Span
from pipeline.io.kafka_client import Unreachable, explain
from pipeline.io.kafka_hook import Run
from pipeline.io.kafka_offsets import Publication
from pipeline.io.kafka_records import PartitionFetch
from pipeline.io.source import Clock, Pace, Position

SOURCE = "kafka"
"""First part of the app ids: `kafka/<topic>/<partition>`."""

LOOK_SECONDS = 1.0
"""How often backlogs and new partitions are looked for."""
DRAIN_SECONDS = 5.0
"""A slice is handed out after this time, however small."""
PATIENCE_SECONDS = 60.0
"""How long a reader tries to reach a topic that the lake has nothing of before it gives up."""

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Partition:
    number: int
    start: int
    """The lake's position."""
    known_end: int | None = None
    end_at_open: int = 0
    committed_at: float = float("-inf")
    not_before: float = float("-inf")
    message_bytes: float = 1024.0

    @property
    def backlog(self) -> int:
        return 0 if self.known_end is None else max(0, self.known_end - self.start)


class KafkaReader:
    """The reader of one shard of a topic: partitions p with `p % count == index`.

    Delivery: at least once, by position; replay after `forget` or a restart begins where the lake
    stands. A broker that goes away is waited for. Raises PositionGap if messages after the lake's
    position are gone, SourceError if the position lies past the end of the partition.
    """

    def __init__(
        self,
        connect: Callable[[], PartitionFetch],
        topic: str,
        event: str,
        *,
        index: int,
        count: int,
        position: Position,
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
        self._ask_lake = position
        self._pace = pace
        self._clock = clock
        self._latest = latest
        self._publication = publication
        self._fetch: PartitionFetch | None = None
        self._partitions: dict[int, _Partition] = {}
        self._ends_at_open: dict[int, int] | None = None
        self._flushing = pace.to_end
        self._looked_at = float("-inf")
        self._first_try: float | None = None
        self._oldest_ms: dict[int, int] = {}
        self.delay_seconds: float | None = None
        """Time from a message's creation to its commit: the largest of the last commit."""

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
        partition.start = span.stop
        partition.committed_at = self._clock()
        oldest = self._oldest_ms.pop(span.partition, None)
        if oldest is not None:
            self.delay_seconds = time.time() - oldest / 1000
        if self._publication is not None:
            self._publication.note(span.partition, span.stop)

    def forget(self) -> None:
        """Drop positions and everything buffered: ask the lake again."""
        self._partitions.clear()
        self._oldest_ms.clear()
        self._looked_at = float("-inf")

    def flush(self) -> None:
        """Treat everything that is there as due."""
        self._flushing = True

    def at_end(self) -> bool:
        """Tell whether all that was there at opening has been committed."""
        if self._ends_at_open is None:
            return False
        return all(
            number in self._partitions and self._partitions[number].start >= end
            for number, end in self._ends_at_open.items()
        )

    def lag(self) -> int:
        """Count messages that are known to be there and are not committed."""
        return sum(partition.backlog for partition in self._partitions.values())

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        if self._publication is not None:
            self._publication.close()
        if self._fetch is not None:
            self._fetch.close()
            self._fetch = None

    @property
    def raw(self) -> bool:
        """Whether record batches are read by the fast path."""
        return self._fetch is not None and self._fetch.raw

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
            _LOG.info("Kafka does not answer now (%s)", type(error).__name__)
        except kafka_errors.LogTruncationError:
            raise SourceError(
                "Messages that the lake has were lost by Kafka",
                where=f"topic {self._topic}",
                why="a broker without them became leader",
                remedy="Keep unclean.leader.election.enable=false. Produce what is missing to a "
                "topic of another name.",
            ) from None
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
        there = fetch.partitions()
        if not there and not self._partitions:
            if self._is_out_of_patience(now):
                unknown = kafka_errors.UnknownTopicOrPartitionError()
                raise explain(unknown, "looking it up", self._topic)
            return
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
        if self._ends_at_open is None:
            self._ends_at_open = {}

    def _adopt(self, fetch: PartitionFetch, mine: set[int]) -> None:
        """Begin to read partitions that were not read before, where the lake stands."""
        begins, ends = fetch.begins(mine), fetch.ends(mine)
        found = dict(self._partitions)
        reading = {number: partition.start for number, partition in found.items()}
        for number in sorted(mine - found.keys()):
            stored = self._ask_lake(f"{SOURCE}/{self._topic}/{number}")
            begin, end = begins[number], ends[number]
            if stored is None:
                # A slice of a partition never seen starts at 0 for the lake, wherever it begins.
                reading[number] = end if self._latest else begin
            else:
                self._check(number, stored, begin, end)
                reading[number] = stored
            found[number] = _Partition(number, stored or 0, end, end)
        fetch.start_at(reading)
        self._partitions = found
        if self._ends_at_open is None:
            self._ends_at_open = {number: ends[number] for number in mine}

    def _is_out_of_patience(self, now: float) -> bool:
        """Tell whether to give up on a topic that cannot be reached.

        Never, once it was read: an outage of the brokers ends some day. A first start with a
        wrong address or name should say so.
        """
        self._first_try = now if self._first_try is None else self._first_try
        if self._pace.to_end:
            return True
        if now - self._first_try <= PATIENCE_SECONDS:
            return False
        return self._ask_lake(f"{SOURCE}/{self._topic}/{self._index}") is None

    def _check(self, number: int, stored: int, begin: int, end: int) -> None:
        where = f"topic {self._topic}, partition {number}"
        command = f"telemetry kafka gap --topic {self._topic} --partition {number} --to {begin}"
        if stored < begin:
            raise PositionGap(
                f"Messages {stored} to {begin - 1} are gone",
                where=where,
                why="retention removed them before they were read",
                remedy=f"Record the gap and go on with `{command}`.",
            )
        if stored > end:
            raise SourceError(
                f"The lake stands at {stored}, past the partition's end {end}",
                where=where,
                why="the topic was made anew or lost messages",
                remedy="Restore it, or give the new topic another name: its offsets mean other "
                "messages now.",
            )

    # -- slices -----------------------------------------------------------------------------------

    def _due(self) -> list[_Partition]:
        """Partitions that a slice should be cut of now, the longest waiting first."""
        now = self._clock()
        due = [p for p in self._partitions.values() if now >= p.not_before and self._is_due(p, now)]
        return sorted(due, key=lambda partition: partition.committed_at)

    def _is_due(self, partition: _Partition, now: float) -> bool:
        waited = now - partition.committed_at >= self._pace.flush_seconds
        if partition.known_end is None:
            return waited or self._flushing
        if partition.backlog == 0:
            return False
        # What was there at opening is caught up with at once.
        behind = partition.start < partition.end_at_open
        large = partition.backlog * partition.message_bytes >= self._pace.slice_bytes / 2
        return waited or behind or large or self._flushing

    def _cut(self, fetch: PartitionFetch, partition: _Partition) -> Slice | None:
        """Drain one partition to its end as of now, or to the slice's size."""
        begun = self._clock()
        number, target = partition.number, partition.known_end
        whole = Run()
        position = fetch.position(number)
        while target is None or position < target:
            run = fetch.fetch(number, self._pace.slice_bytes - whole.size, wait=0.3)
            before, position = position, fetch.position(number)
            if run is not None:
                whole.values += run.values
                whole.offsets += run.offsets
                whole.size += run.size
                whole.note_time(run.oldest_ms or -1)
            elif position == before:
                break
            if whole.size >= self._pace.slice_bytes or self._clock() - begun > DRAIN_SECONDS:
                break
        if position <= partition.start:
            partition.not_before = self._clock() + LOOK_SECONDS
            return None
        if whole.offsets:
            partition.message_bytes = whole.size / len(whole.offsets)
        if whole.oldest_ms is not None:
            self._oldest_ms[number] = whole.oldest_ms
        partition.known_end = max(position, partition.known_end or 0)
        span = Span(SOURCE, self._topic, number, partition.start, position)
        return make_slice(span, self._event, whole.values, whole.offsets)


def make_slice(span: Span, event: str, values: list[bytes], offsets: list[int]) -> Slice:
    """Lay messages out as a slice: one after another, each followed by a line feed."""
    sizes = np.fromiter(map(len, values), np.int64, len(values))
    ends = np.cumsum(sizes + 1) - 1
    return Slice(
        span, event, b"\n".join(values), ends - sizes, ends, np.array(offsets, dtype=np.int64)
    )
