"""Tell Kafka how far the lake is: for lag tools only, never read back.

Positions are published to a consumer group that has no members, at most every ten seconds. A
failure is logged once and delays nothing: the lake's log remains the only truth.
"""

from __future__ import annotations

import logging
import time

from kafka import TopicPartition
from kafka import errors as kafka_errors
from kafka.structs import OffsetAndMetadata

from pipeline.errors import EnvironmentProblem
from pipeline.io.kafka.client import KafkaAccess, connect_admin

PUBLISH_SECONDS = 10.0
RETRY_SECONDS = 60.0

_LOG = logging.getLogger(__name__)


class Publication:
    """Positions of one topic, published to one consumer group. Connects at first use."""

    def __init__(self, access: KafkaAccess, topic: str, group: str) -> None:
        self._access = access
        self._topic = topic
        self._group = group
        self._positions: dict[int, int] = {}
        self._next = time.monotonic() + PUBLISH_SECONDS

    def note(self, partition: int, position: int) -> None:
        """Take note of a committed position, and publish what was noted if it is time."""
        self._positions[partition] = position
        if time.monotonic() >= self._next:
            self.publish()

    def publish(self) -> bool:
        """Publish what was noted; False if that failed."""
        self._next = time.monotonic() + PUBLISH_SECONDS
        if not self._positions:
            return True
        offsets = {
            TopicPartition(self._topic, partition): OffsetAndMetadata(position, "", None)
            for partition, position in self._positions.items()
        }
        try:
            admin = connect_admin(self._access)
            try:
                errors = set(admin.alter_group_offsets(self._group, offsets).values())
            finally:
                admin.close()
        except (EnvironmentProblem, kafka_errors.KafkaError, OSError) as error:
            errors = {type(error)}
        errors.discard(kafka_errors.NoError)
        if errors:
            self._next = time.monotonic() + RETRY_SECONDS
            names = ", ".join(sorted(error.__name__ for error in errors))
            _LOG.warning(
                "Positions could not be published to group %s (%s): lag tools are behind",
                self._group,
                names,
            )
            return False
        self._positions.clear()
        return True

    def close(self) -> None:
        """Publish what is left."""
        self.publish()
