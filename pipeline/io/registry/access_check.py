"""Test what a source needs from its schema registry: an answer, credentials, a schema to read by.

Nothing is changed there. `telemetry doctor` shows the result.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import RegistryUnreachable, TelemetryError
from pipeline.io.registry.readers import RegistryReaders


@dataclass(frozen=True, slots=True)
class RegistryCheck:
    """The result of the test: `state` is ok, warn or fail."""

    state: str
    detail: str
    remedy: str = ""


def check_registry(readers: RegistryReaders, topic: str) -> RegistryCheck:
    """Ask for the last schema of the topic's values, and make its reader."""
    try:
        return _checked(readers, topic)
    except TelemetryError as error:
        detail = f"{error.what} because {error.why}" if error.why else error.what
        remedy = error.remedy
        if isinstance(error, RegistryUnreachable):
            remedy = (
                "Start it, or correct `registry` of the source; events stay in the topic meanwhile."
            )
        return RegistryCheck("fail", detail, remedy)


def _checked(readers: RegistryReaders, topic: str) -> RegistryCheck:
    newest = readers.newest(topic)
    if newest is None:
        return RegistryCheck(
            "warn",
            f"it answers, and has no subject {topic}-value",
            "Register the schema; no action is needed if producers name subjects in another way.",
        )
    number, kind = newest.get("id"), newest.get("schemaType", "AVRO")
    if not isinstance(number, int):
        return RegistryCheck(
            "fail",
            "its answer has no schema's number",
            "Set `registry` of the source to an address with Confluent's interface.",
        )
    fault = readers.fault(number)
    if fault is not None:
        return RegistryCheck(
            "fail",
            f"messages of schema {number}, the last of {topic}-value, cannot be read: {fault}",
            "Register one that compiles and does not refer to itself, in Avro, Protobuf or JSON.",
        )
    named = {"AVRO": "Avro", "PROTOBUF": "Protobuf"}.get(str(kind), "JSON")
    return RegistryCheck("ok", f"it answers; schema {number} ({named}) can be read")
