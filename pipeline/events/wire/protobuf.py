"""Protobuf messages to JSON texts, by the descriptors of the schema that they were written with.

Names are those of the schema (`snake_case`). As in Protobuf's own mapping to JSON, a field without
presence that has its default value is absent; an enum is the name of its value, a `Timestamp`
RFC 3339 text, a wrapper its value. Bytes are null. Fields that the schema does not know are never
looked at; of a repeated singular field the last one counts, as Protobuf requires.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor, FileDescriptor
from google.protobuf.message import DecodeError, Message

from pipeline.events.decode.strict_json import Json, Refused
from pipeline.events.model import Reason
from pipeline.events.wire.model import Reader, Unusable, WriterSchema, as_json

_TIMESTAMP: Final = "google.protobuf.Timestamp"
_WRAPPERS: Final = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_INDEXES: Final = 16


def protobuf_reader(schema: WriterSchema) -> Reader:
    """The reader of one schema; raises `Unusable`."""
    pool = descriptor_pool.DescriptorPool()
    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(schema.descriptors).file
        for file in files:
            pool.Add(file)
        top = pool.FindFileByName(files[-1].name)
    except (DecodeError, IndexError, KeyError, TypeError):
        raise Unusable("it is no Protobuf schema") from None
    kinds: dict[tuple[int, ...], type[Message]] = {}

    def read(payload: bytes) -> bytes:
        path, at = _path(payload)
        if path not in kinds:
            kinds[path] = _kind(top, path)
        try:
            message = kinds[path].FromString(payload[at:])
        except DecodeError:  # its text may show the payload
            raise Refused(Reason.NOT_IN_FORMAT) from None
        return as_json(_object(message))

    return read


def _kind(file: FileDescriptor, path: tuple[int, ...]) -> type[Message]:
    """The class of the message type at a path into a file; raises `Refused`."""
    types = [file.message_types_by_name[one] for one in file.message_types_by_name]
    found = None
    for index in path:
        if index >= len(types):
            raise Refused(Reason.NOT_IN_FORMAT)
        found = types[index]
        types = list(found.nested_types)
    kind: type[Message] = message_factory.GetMessageClass(found)
    return kind


def _path(payload: bytes) -> tuple[tuple[int, ...], int]:
    """Return which message type of the file it is, and where it begins; raises `Refused`."""
    count, at = _zigzag(payload, 0)
    if count == 0:
        return (0,), at
    if count > _MOST_INDEXES:
        raise Refused(Reason.NOT_IN_FORMAT)
    path = []
    for _ in range(count):
        index, at = _zigzag(payload, at)
        path.append(index)
    return tuple(path), at


def _zigzag(payload: bytes, at: int) -> tuple[int, int]:
    """A number of up to four bytes that is not negative, and where it ends; raises `Refused`."""
    value = 0
    for place, byte in enumerate(payload[at : at + 4]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            if value & 1:
                break
            return value >> 1, at + place + 1
    raise Refused(Reason.NOT_IN_FORMAT)


def _object(message: Message) -> Json:
    found: dict[str, Json] = {}
    for field, value in message.ListFields():
        kind = field.message_type
        if field.is_extension:
            continue
        if kind is not None and kind.GetOptions().map_entry:
            of = kind.fields_by_name["value"]
            found[field.name] = {str(key): _value(of, value[key]) for key in value}
        elif field.is_repeated:
            found[field.name] = [_value(field, one) for one in value]
        else:
            found[field.name] = _value(field, value)
    return found


def _value(field: FieldDescriptor, value: Json | Message) -> Json:
    if field.message_type is not None:
        name = field.message_type.full_name
        if name == _TIMESTAMP:
            return _time(value)
        return getattr(value, "value", None) if name in _WRAPPERS else _object(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return None if known is None else known.name
    return value


def _time(timestamp: Message) -> str | None:
    try:
        micros = timestamp.nanos // 1000
        moment = _EPOCH + timedelta(seconds=timestamp.seconds, microseconds=micros)
    except OverflowError:
        return None
    return moment.isoformat()
