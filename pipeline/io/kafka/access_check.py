"""Test what the pipeline needs from Kafka: the connection, and its rights on topics.

Nothing is created, read or written. `telemetry doctor` shows the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kafka import KafkaAdminClient
from kafka import errors as kafka_errors

from pipeline.errors import TelemetryError, counted
from pipeline.io.kafka.client import KafkaAccess, connect_admin, kafka_faults


@dataclass(frozen=True, slots=True)
class AccessCheck:
    """One thing that was tested: `state` is ok, warn or fail."""

    name: str
    state: str
    detail: str
    remedy: str = ""


def check_access(
    access: KafkaAccess, *, read: Sequence[str] = (), write: Sequence[str] = ()
) -> list[AccessCheck]:
    """Test the connection and the rights on topics: READ and DESCRIBE, or WRITE and DESCRIBE.

    Nothing is created, read or written: the broker is asked which operations it would allow.
    """
    server = access.servers[0]
    try:
        admin = connect_admin(access)
    except TelemetryError as error:
        detail = f"{error.what} because {error.why}" if error.why else error.what
        return [AccessCheck("kafka", "fail", detail, error.remedy)]
    checks = [AccessCheck("kafka", "ok", f"{server} answers ({access.protocol})")]
    try:
        for topic, needed in [(t, "READ") for t in read] + [(t, "WRITE") for t in write]:
            checks.append(_check_topic(admin, topic, needed))
    finally:
        admin.close()
    return checks


def _check_topic(admin: KafkaAdminClient, topic: str, needed: str) -> AccessCheck:
    name = f"kafka topic {topic}"
    try:
        with kafka_faults("describing a topic", topic):
            (found,) = admin.describe_topics([topic])
            code = int(found.get("error_code", 0))
            if code:
                raise kafka_errors.for_code(code)()
    except TelemetryError as error:
        return AccessCheck(name, "fail", error.what, error.remedy)
    allowed = {str(one).upper() for one in found.get("authorized_operations") or ()}
    absent = {needed, "DESCRIBE"} - allowed
    if absent:
        rights = " and ".join(sorted(absent))
        return AccessCheck(name, "fail", f"{rights} is not allowed", f"Grant {rights} on {topic}.")
    partitions = len(found.get("partitions") or ())
    return AccessCheck(
        name, "ok", f"{counted(partitions, 'partition')}, {needed} and DESCRIBE allowed"
    )
