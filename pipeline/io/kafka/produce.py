"""Send blocks of NDJSON lines to a topic: for demos, drills and load tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kafka.errors import KafkaError

from pipeline.errors import EnvironmentProblem, counted
from pipeline.io.kafka.client import KafkaAccess, connect_producer, kafka_faults


def produce_lines(access: KafkaAccess, topic: str, blocks: Iterable[bytes]) -> int:
    """Send each line as one message without key, lz4; return the bytes once all are acknowledged.

    Lines are spread over the partitions. Raises TelemetryError if one could not be delivered.
    """
    lost: list[BaseException] = []
    sent = 0
    producer: Any = connect_producer(
        access, compression_type="lz4", linger_ms=20, batch_size=256 * 1024
    )
    try:
        with kafka_faults("producing", topic):
            if not producer.partitions_for(topic):
                raise EnvironmentProblem(
                    "The topic does not exist, or this user may not see it",
                    where=f"topic {topic}",
                    remedy="Create it: deploy/kafka/create-topics.sh",
                )
            for block in blocks:
                for line in block.splitlines():
                    producer.send(topic, line).add_errback(lost.append)
                    sent += len(line)
                _check(lost, topic)
            producer.flush()
            _check(lost, topic)
    finally:
        producer.close(timeout=10)
    return sent


def _check(lost: list[BaseException], topic: str) -> None:
    if lost:
        kinds = ", ".join(sorted({type(error).__name__ for error in lost}))
        raise EnvironmentProblem(
            f"{counted(len(lost), 'message')} could not be delivered",
            where=f"topic {topic}",
            why=kinds if all(isinstance(error, KafkaError) for error in lost) else "of a defect",
            remedy="Run `telemetry doctor`; WRITE and DESCRIBE on the topic are needed.",
        )
