"""Fetch messages of chosen partitions: raw record batches if possible, the public path otherwise.

The raw path hooks into kafka-python's fetcher, where a partition's fetched bytes become records,
and yields runs of whole batches instead (`record_batch.unpack`). Checksums, aborted
transactions, control batches, fetch sessions and leader changes stay the client's business. The
hook (`raw_records`) uses names that are not public, so its first runs are compared with what the
public parser makes of the same bytes; if a name is gone or a message differs, the public path is
used from then on, which is several times slower but otherwise the same.

One partition at a time is assigned to the client, so what it holds ahead of us is bounded by one
fetch, whatever the number of partitions; everything else stays in Kafka. (Pausing instead is no
option: kafka-python 3.0 parks what it fetched from a paused partition and may never look at it
again, because a drained parser blocks the place where it would be put back.)
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kafka import TopicPartition
from kafka import errors as kafka_errors
from kafka.structs import OffsetAndMetadata

from pipeline.io.kafka.client import KafkaAccess, Tokens, connect_consumer
from pipeline.io.kafka.messages import of_values
from pipeline.io.kafka.raw_records import RawPathBroken, Run, raw_records
from pipeline.io.source import Clock, Pace
from pipeline.io.web.tokens import TokenRefused

FETCH_BYTES = 8 * 1024 * 1024
DRAIN_SECONDS = 5.0
"""A slice is handed out after this time, however small."""
_LOG = logging.getLogger(__name__)


class PartitionFetch:
    """A consumer of one topic that reads the partitions one at a time. Not thread-safe."""

    def __init__(
        self,
        access: KafkaAccess,
        topic: str,
        *,
        committed_only: bool = False,
        raw: bool = True,
    ) -> None:
        """Connect. Raises TelemetryError."""
        self.topic = topic
        self.raw = raw
        self._room = 0
        self._positions: dict[int, int] = {}
        self._epochs: dict[int, int] = {}
        self._active: int | None = None
        self._consumer = connect_consumer(
            access,
            isolation_level="read_committed" if committed_only else "read_uncommitted",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_bytes=FETCH_BYTES,
            # Only partitions that are known to have messages are fetched from; a longer wait
            # would hold up the next partition.
            fetch_max_wait_ms=50,
            max_poll_records=10_000,
        )
        # Makes the client look up this topic, now and every 10 seconds.
        self._consumer.assign([self._at(0)])
        self._public_records: Any = None
        if raw:
            try:
                self._install()
            except AttributeError:
                self._use_public_path()

    def lacks_token(self) -> bool:
        """Tell whether the connections have no valid token; raise TokenRefused if they get none."""
        provider = self._consumer.config["sasl_oauth_token_provider"]
        problem = provider.problem() if isinstance(provider, Tokens) else None
        if isinstance(problem, TokenRefused):
            raise problem
        return problem is not None

    # -- where things are ---------------------------------------------------------------------

    def partitions(self) -> frozenset[int]:
        """The topic's partitions as known now; refreshed in the background every 10 seconds."""
        return frozenset(self._consumer.partitions_for_topic(self.topic) or ())

    def topic_id(self) -> uuid.UUID | None:
        """The broker's id of the topic as known now; None if it gives none."""
        found = self._consumer._cluster.topic_id(self.topic)
        return found if isinstance(found, uuid.UUID) and found.int else None

    def look_again(self, timeout_ms: int = 10_000) -> None:
        """Have the client ask what the topic is, and wait for the answer. Raises its errors."""
        cluster, manager = self._consumer._cluster, self._consumer._manager
        manager.run(manager.wait_for, cluster.request_update(), timeout_ms)

    def begins(self, partitions: Iterable[int]) -> dict[int, int]:
        """The first offset that each partition still has."""
        return self._ask(self._consumer.beginning_offsets, partitions, 10_000)

    def ends(self, partitions: Iterable[int], timeout_ms: int = 10_000) -> dict[int, int]:
        """The offset after the last one that may be read now (last stable, if committed only)."""
        return self._ask(self._consumer.end_offsets, partitions, timeout_ms)

    def _ask(self, question: Any, partitions: Iterable[int], timeout_ms: int) -> dict[int, int]:
        asked = [self._at(number) for number in partitions]
        found = question(asked, timeout_ms=timeout_ms) if asked else {}
        return {at.partition: offset for at, offset in found.items()}

    def _at(self, partition: int) -> Any:
        return TopicPartition(self.topic, partition)

    # -- reading ------------------------------------------------------------------------------

    def start_at(
        self, positions: Mapping[int, int], epochs: Mapping[int, int] | None = None
    ) -> None:
        """Set where partitions are read from; whatever was fetched before is dropped.

        `epochs` are those of the leaders that wrote what comes before: with them the broker can
        tell whether its log has other messages there by now.
        """
        self._positions.update(positions)
        self._epochs.update(epochs or {})
        self._active = None

    def position(self, partition: int) -> int:
        """The offset to continue from: past control records and holes that were skipped."""
        return self._positions[partition]

    def epoch(self, partition: int) -> int | None:
        """The epoch of the leader that wrote what comes before `position`, if it is known."""
        return self._epochs.get(partition)

    def fetch(self, partition: int, room: int, wait: float) -> Run | None:
        """Return the partition's next messages, about `room` bytes, whole batches; None: no news.

        None may also mean that the position moved over control records or holes. Raises the
        client's errors.
        """
        at = self._at(partition)
        if self._active != partition:
            self._active = None
            self._consumer.assign([at])
            start = self._positions[partition]
            self._consumer.seek(at, start)
            epoch = self._epochs.get(partition, -1)
            if epoch >= 0:
                # Not public: a seek with the epoch, so that the broker compares it.
                held = OffsetAndMetadata(start, "", epoch)
                self._consumer._subscription.seek(at, held)
            self._active = partition
        self._room = room
        try:
            # One "record" of the hooked parser is a whole run.
            most = 1 if self.raw else None
            found = self._consumer.poll(timeout_ms=int(wait * 1000), max_records=most)
        except (RawPathBroken, AttributeError, TypeError):
            if not self.raw:
                raise
            self._use_public_path()
            return None
        records = found.get(at) or []
        self._positions[partition] = int(self._consumer.position(at))
        held = self._consumer._subscription.assignment[at].position
        if held is not None and held.leader_epoch >= 0:
            self._epochs[partition] = int(held.leader_epoch)
        if not self.raw:
            return _public_run(records)
        return records[0] if records else None

    def drain(
        self, partition: int, read_from: int, target: int | None, pace: Pace, clock: Clock
    ) -> Run:
        """Fetch a partition to `target`, its end as of now, or to the slice's size.

        A batch that cannot be read ends the run before it; it is raised (the client's
        CorruptRecordError) only if nothing comes before it.
        """
        begun, whole, position = clock(), Run(), self.position(partition)
        while target is None or position < target:
            try:
                run = self.fetch(partition, pace.slice_bytes - whole.size, wait=0.3)
            except kafka_errors.CorruptRecordError:
                if position <= read_from:
                    raise
                break
            before, position = position, self.position(partition)
            if run is not None:
                whole.parts += run.parts
                whole.size += run.size
            elif position == before:
                break
            if whole.size >= pace.slice_bytes or clock() - begun > DRAIN_SECONDS:
                break
        return whole

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    # -- the hook -----------------------------------------------------------------------------

    def _install(self) -> None:
        fetcher = self._consumer._fetcher
        public = fetcher.PartitionRecords
        fetcher.PartitionRecords = raw_records(public, lambda: self._room)
        self._public_records = public

    def _use_public_path(self) -> None:
        _LOG.warning(
            "Reading by the client's public path, several times slower: "
            "the raw path does not work with this version of kafka-python"
        )
        self.raw = False
        self._active = None
        if self._public_records is not None:
            self._consumer._fetcher.PartitionRecords = self._public_records


def _public_run(records: Sequence[Any]) -> Run | None:
    values = [record.value or b"" for record in records]
    run = Run()
    run.add(of_values(values, [record.offset for record in records]), sum(map(len, values)))
    for record in records:
        run.note_time(record.timestamp)
    return run if run.parts else None
