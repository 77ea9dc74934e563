"""The schema that a message was written with, as a registry keeps it, and who looks it up."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pipeline.events.decode.strict_json import Refused
from pipeline.events.model import Reason

Reader = Callable[[bytes], bytes]
"""From a message's content to JSON text; raises `Refused`."""


class SchemaLanguage(StrEnum):
    """The language of a schema, by the registry's names."""

    AVRO = "AVRO"
    PROTOBUF = "PROTOBUF"
    JSON = "JSON"


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """One schema of a registry. It says how messages are taken apart, and no more."""

    kind: SchemaLanguage
    text: str = ""
    """For Avro: the schema, as JSON."""
    named: tuple[str, ...] = ()
    """For Avro: schemas whose types it names, each after those that it names itself."""
    descriptors: bytes = b""
    """For Protobuf: a compiled `FileDescriptorSet`; its last file is the schema."""


class Unusable(Exception):
    """A schema by which no message can be read safely; says why, in words of ours alone."""


class Readers(Protocol):
    """Looks up how messages are read, by the schema numbers that they carry."""

    def find(self, numbers: Collection[int]) -> Mapping[int, Reader | None]:
        """Return the reader of each schema; None where there is no usable schema.

        Raises `RegistryUnreachable` if that cannot be known now, another `TelemetryError` if
        somebody has to change a setting.
        """

    def ready(self) -> bool:
        """Return whether what could not be looked up last time is known now."""


def as_json(value: object) -> bytes:
    """JSON text of a value; bytes in it are null. Raises `Refused`."""
    try:
        return _ENCODER.encode(value).encode()
    except ValueError:  # not a finite number
        raise Refused(Reason.NUMBER_OUT_OF_RANGE) from None


def _null(_: object) -> None:
    return None


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"), default=_null
)
