"""Kafka as a source: one topic carries one event; a shard is a fixed share of its partitions.

Unit of parallelism: the partition; shard `index` of `count` reads the partitions p with
`p % count == index`, also those that are added later. Delivery: exactly-once together with the
lake's compare-and-swap, which alone knows the positions; consumer groups are not used to read.
Replay: nothing is duplicated. A lake takes a topic name from one cluster only, because app ids are
`kafka/<topic>/<partition>`.
"""

# `setting` returns a dataclass field, which is what a default may be.

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from pipeline.io.source_kind import Around, Flag, NamesInLog, SourceKind
from pipeline.settings.values import address, choice, setting, text, text_list

if TYPE_CHECKING:
    from pipeline.io.kafka.client import KafkaAccess
    from pipeline.io.kafka.reader import KafkaReader
    from pipeline.io.source import Clock, Pace, Positions, Shard

_TOPIC = r"(?!.*[0-9a-f]{16})(?!.*\d{1,3}\.\d{1,3}\.\d{1,3})(?=.*[A-Za-z])[A-Za-z0-9._-]{1,249}"
"""The name of a Kafka topic, which is an operator's word: no token and no address."""
_PARTITION = rf"kafka/{_TOPIC}/\d{{1,6}}"


@dataclass(frozen=True, slots=True)
class KafkaSourceSettings(SourceKind):
    """A source that is a topic."""

    WHAT: ClassVar[str] = "servers and a topic"
    EXAMPLE: ClassVar[str] = 'servers = ["host:9092"] and topic = "name"'
    NEEDS: ClassVar[tuple[str, ...]] = ("servers", "topic")
    NAMES: ClassVar[Mapping[str, NamesInLog]] = {
        "kafka": NamesInLog(_PARTITION, f"{_PARTITION}/(?:id-high|id-low|epoch)")
    }
    FLAGS: ClassVar[tuple[Flag, ...]] = (
        Flag("--kafka", "servers", "Kafka bootstrap servers.", metavar="SERVERS"),
        Flag("--topic", "topic", "Kafka topic."),
    )
    FLAGGED: ClassVar[str] = "kafka"
    FLAGS_SAY: ClassVar[tuple[str, str]] = ("a topic", "--kafka SERVERS with --topic TOPIC")

    servers: tuple[str, ...] = setting((), text_list, "Kafka bootstrap servers, `host:port`.")
    topic: str = setting("", text, "Kafka topic.")
    start: str = setting(
        "earliest",
        choice("earliest", "latest"),
        "Where a Kafka partition that the lake has never seen begins.",
    )
    group: str | None = setting(
        None, text, "Consumer group to publish positions to, for lag tools only."
    )
    registry: str | None = setting(
        None,
        address,
        "Schema registry of the topic's messages, if they are Avro, Protobuf or JSON in the wire "
        "format of Confluent's clients. Default: messages are texts.",
    )

    def make(self, around: Around) -> KafkaSource:
        """Describe the topic; see `SourceKind.make`."""
        return KafkaSource(
            name=around.name,
            event=around.event,
            topic=self.topic,
            access=around.kafka(self.servers),
            committed_only=around.read_committed,
            latest=self.start == "latest",
            group=self.group,
        )

    def told(self) -> str:
        """See `SourceKind.told`."""
        return f"the Kafka topic `{self.topic}`"


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
    """Publish positions to this consumer group, for lag tools only."""

    def shards(self, workers: int) -> Sequence[Shard]:
        """One shard for each process; a process without partitions waits for new ones."""
        from pipeline.io.source import Shard

        return [Shard(self.name, index, workers) for index in range(workers)]

    def open(self, shard: Shard, positions: Positions, pace: Pace, clock: Clock) -> KafkaReader:
        """Open a reader of one shard; it connects at its first poll."""
        from pipeline.io.kafka.fetch import PartitionFetch
        from pipeline.io.kafka.group_offsets import Publication
        from pipeline.io.kafka.reader import KafkaReader

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
