"""Fetch messages of chosen partitions: raw record batches by preference, the public path else.

The raw path hooks into kafka-python's fetcher, where a partition's fetched bytes become records,
and yields runs of whole batches instead (`kafka_batches.unpack`). Checksums, aborted
transactions, control batches, fetch sessions and leader changes stay the client's business. The
hook (`kafka_hook`) uses names that are not public, so its first runs are compared with what the
public parser makes of the same bytes; if a name is gone or a message differs, the public path is
used from then on, several times slower and otherwise the same.

One partition at a time is assigned to the client, so what it holds ahead of us is bounded by one
fetch, whatever the number of partitions; everything else stays in Kafka. (Pausing instead is no
choice: kafka-python 3.0 parks what it fetched of a paused partition and may never look at it
again, because a drained parser blocks the place where it would be put back.)
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from kafka import TopicPartition

from pipeline.io.kafka_client import KafkaAccess, connect_consumer
from pipeline.io.kafka_hook import RawPathBroken, Run, raw_records

FETCH_BYTES = 8 * 1024 * 1024
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
        # Makes the client look this topic up, and again every 10 seconds.
        self._consumer.assign([self._at(0)])
        self._public_records: Any = None
        if raw:
            try:
                self._install()
            except AttributeError:
                self._use_public_path()

    # -- where things are ---------------------------------------------------------------------

    def partitions(self) -> frozenset[int]:
        """The topic's partitions as known now; refreshed in the background every 10 seconds."""
        return frozenset(self._consumer.partitions_for_topic(self.topic) or ())

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

    def start_at(self, positions: Mapping[int, int]) -> None:
        """Set where partitions are read from; whatever was fetched before is dropped."""
        self._positions.update(positions)
        self._active = None

    def position(self, partition: int) -> int:
        """The offset to go on from: past control records and holes that were passed over."""
        return self._positions[partition]

    def fetch(self, partition: int, room: int, wait: float) -> Run | None:
        """Return the partition's next messages, about `room` bytes, whole batches; None: no news.

        None may also mean that the position moved over control records or holes. Raises the
        client's errors.
        """
        at = self._at(partition)
        if self._active != partition:
            self._active = None
            self._consumer.assign([at])
            self._consumer.seek(at, self._positions[partition])
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
        if not self.raw:
            return _public_run(records)
        return records[0] if records else None

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


def _public_run(records: Iterable[Any]) -> Run | None:
    run = Run()
    for record in records:
        value = record.value or b""
        run.values.append(value)
        run.offsets.append(record.offset)
        run.size += len(value)
        run.note_time(record.timestamp)
    return run if run.values else None
