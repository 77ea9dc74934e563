"""A compacted topic in memory, as far as the opt-out list uses kafka-python's clients.

`tests/integration/kafka/test_kafka_optout.py` uses a broker; here messages, times and losses are
laid down one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kafka import TopicPartition
from kafka import errors as kafka_errors


class Message(NamedTuple):
    """One message."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass
class Broker:
    """One topic of one partition, and a clock in milliseconds for what is written."""

    topic: str = "optout"
    log: list[Message] = field(default_factory=list)
    now_ms: int = 0
    down: bool = False
    fails_at: int | None = None
    """How many messages of a transaction are taken before the broker is gone."""

    def put(self, key: bytes | None, value: bytes | None, at_ms: int | None = None) -> None:
        at = self.now_ms if at_ms is None else at_ms
        self.log.append(Message(0, len(self.log), at, key, value))

    def ask(self) -> None:
        if self.down:
            raise kafka_errors.KafkaConnectionError("with words of the broker")

    def consumer(self, *_: object, **__: object) -> Consumer:
        self.ask()
        return Consumer(self)

    def producer(self, *_: object, **__: object) -> Producer:
        self.ask()
        return Producer(self)


@dataclass
class Consumer:
    broker: Broker
    at: int = 0

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        self.broker.ask()
        return {0} if topic == self.broker.topic else None

    def end_offsets(self, asked: Iterable[TopicPartition], *_: object) -> dict[Any, int]:
        self.broker.ask()
        return dict.fromkeys(asked, len(self.broker.log))

    def beginning_offsets(self, asked: Iterable[TopicPartition], *_: object) -> dict[Any, int]:
        return dict.fromkeys(asked, 0)

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        self.partitions = list(partitions)

    def assignment(self) -> list[TopicPartition]:
        return self.partitions

    def seek(self, _: TopicPartition, offset: int) -> None:
        self.at = offset

    def position(self, _: TopicPartition) -> int:
        return self.at

    def poll(self, **_: object) -> Mapping[TopicPartition, list[Message]]:
        self.broker.ask()
        found = self.broker.log[self.at :]
        self.at = len(self.broker.log)
        return {self.partitions[0]: found} if found else {}

    def close(self) -> None:
        pass


@dataclass
class Producer:
    """Transactions: what is sent is there with the commit, or not at all."""

    broker: Broker
    begun: int = 0
    pending: list[tuple[bytes, bytes | None]] = field(default_factory=list)

    def init_transactions(self) -> None:
        self.broker.ask()

    def begin_transaction(self) -> None:
        self.begun += 1
        self.pending = []

    def send(self, topic: str, *, key: bytes, value: bytes | None) -> None:
        assert topic == self.broker.topic
        if self.broker.fails_at is not None and len(self.pending) >= self.broker.fails_at:
            raise kafka_errors.KafkaTimeoutError("with words of the broker")
        self.pending.append((key, value))

    def commit_transaction(self) -> None:
        for key, value in self.pending:
            self.broker.put(key, value)

    def close(self, **_: object) -> None:
        pass
