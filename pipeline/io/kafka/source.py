"""Kafka as a source: one topic carries one event; a shard is a fixed share of its partitions.

Unit of parallelism: the partition; shard `index` of `count` reads the partitions p with
`p % count == index`, also those that are added later. Delivery: exactly-once together with the
lake's compare-and-swap, which alone knows the positions; consumer groups are not used to read.
Replay: nothing is doubled. A lake takes a topic name from one cluster only, because app ids are
`kafka/<topic>/<partition>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pipeline.io.kafka.client import KafkaAccess
from pipeline.io.kafka.fetch import PartitionFetch
from pipeline.io.kafka.group_offsets import Publication
from pipeline.io.kafka.reader import KafkaReader
from pipeline.io.source import Clock, Pace, Positions, Shard


@dataclass(frozen=True, slots=True)
class KafkaSource:
    """A topic. Picklable; nothing is open and no secret is resolved."""

    name: str
    event: str
    topic: str
    access: KafkaAccess
    committed_only: bool = False
    """Read only messages of committed transactions (`read_committed`)."""
    latest: bool = False
    """Begin a partition that the lake has never seen at its end instead of its beginning."""
    group: str | None = None
    """Publish positions to this consumer group, for lag tools alone."""

    def shards(self, workers: int) -> Sequence[Shard]:
        """One shard for each process; a process without partitions waits for new ones."""
        return [Shard(self.name, index, workers) for index in range(workers)]

    def open(self, shard: Shard, positions: Positions, pace: Pace, clock: Clock) -> KafkaReader:
        """Open a reader of one shard; it connects at its first poll."""
        connect = partial(
            PartitionFetch, self.access, self.topic, committed_only=self.committed_only
        )
        publication = Publication(self.access, self.topic, self.group) if self.group else None
        return KafkaReader(
            connect,
            self.topic,
            self.event,
            index=shard.index,
            count=shard.count,
            positions=positions,
            pace=pace,
            clock=clock,
            latest=self.latest,
            publication=publication,
        )
