"""What the decode tests share: slices of messages, and the answer that the strict decoder gives."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.events.decode.decoder import Decoder
from pipeline.events.decode.strict import StrictDecoder
from pipeline.events.model import RawBatch, Reason, Slice, Span
from pipeline.events.schema import EventSchema
from pipeline.io.package_data import load_schemas

SCHEMAS = load_schemas()
CASES = Path(__file__).parent / "decode_cases"

VALID: dict[str, dict[str, Any]] = {
    "api_request": {
        "event": "api_request",
        "version": 1,
        "event_id": "e-1",
        "occurred_at": "2026-05-01T10:20:30.456Z",
        "account_id": "acct_1",
        "status": 200,
        "latency_ms": 12.5,
        "path": "/v1/streams/7/frames",
        "gpc": "0",
    },
    "session": {
        "event": "session",
        "version": 1,
        "event_id": "e-1",
        "session_id": "s-1",
        "started_at": "2026-05-01T10:20:30Z",
        "ended_at": "2026-05-01T10:25:30+00:00",
        "account_created_on": "2026-01-31",
        "features": ["recording", "relighting"],
        "fps": 30,
    },
    "error_log": {
        "event": "error_log",
        "version": 1,
        "event_id": "e-1",
        "occurred_at": "2026-05-01T10:20:30Z",
        "account_id": "acct_1",
        "message": "cannot open /tmp/x: 17",
    },
    "feature_use": {
        "event": "feature_use",
        "version": 1,
        "event_id": "e-1",
        "occurred_at": "2026-05-01T10:20:30.5+02:00",
        "account_id": "acct_1",
        "session_id": "s-1",
    },
}


def slice_of(event: str, messages: Sequence[bytes], gap: bytes = b"") -> Slice:
    """A slice of these messages; `gap` stands between one message's line feed and the next."""
    sizes = np.array([len(message) for message in messages], np.int64)
    ends = np.cumsum(sizes + 1 + len(gap)) - 1 - len(gap)
    data = b"".join(part for message in messages for part in (message, b"\n", gap))
    numbers = np.arange(len(messages), dtype=np.int64) * 3 + 1000
    span = Span("kafka", "topic", 0, 1000, 1000 + 3 * len(messages))
    return Slice(span, event, data, ends - sizes, ends, numbers)


@dataclass(frozen=True)
class Answer:
    """A decoded slice as plain values."""

    rows: list[dict[str, Any]]
    rejected: list[dict[str, Any]]
    nulled: dict[tuple[str, str], int]


def answer_of(batch: RawBatch, schema: EventSchema) -> Answer:
    """A batch as plain values, after checking that its columns are sound and typed as declared."""
    assert batch.rows.schema.equals(schema.raw)
    batch.rows.validate(full=True)
    batch.rejected.validate(full=True)
    return Answer(plain(batch.rows), batch.rejected.to_pylist(), dict(batch.nulled))


def plain(rows: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows as dicts: times as microseconds, dates as days (`datetime` ends with year 9999), and
    floats by their bits."""
    columns = {}
    for field, column in zip(rows.schema, rows.columns, strict=True):
        if pa.types.is_timestamp(field.type):
            column = column.cast(pa.int64())
        elif pa.types.is_date(field.type):
            column = column.cast(pa.int32())
        columns[field.name] = [bits(value) for value in column.to_pylist()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def bits(value: Any) -> Any:
    """A float as text that tells -0.0 from 0.0; anything else as it is."""
    return value.hex() if isinstance(value, float) else value


def strict_answer(source: Slice, schemas: tuple[EventSchema, ...]) -> Answer:
    """Record by record, what the strict decoder says of a slice."""
    strict = StrictDecoder(schemas)
    rows: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []
    nulled: Counter[tuple[str, str]] = Counter()
    names = [field.name for field in schemas[-1].fields]
    for start, end, offset in zip(source.starts, source.ends, source.offsets, strict=True):
        where = {"offset": int(offset), "size": int(end - start)}
        record = strict.decode(source.data[start:end])
        if isinstance(record, Reason):
            rejected.append({**where, "stage": "decode", "reason": record.value})
        else:
            nulled.update((name, why.value) for name, why in record.nulled)
            technical = {"_offset": where["offset"], "_size": where["size"]}
            values = zip(names, map(bits, record.values), strict=True)
            rows.append({**dict(values), **technical})
    return Answer(rows, rejected, dict(nulled))


def assert_same(
    source: Slice,
    *,
    decoder: Decoder | None = None,
    schemas: tuple[EventSchema, ...] | None = None,
) -> Answer:
    """Whichever decoder is in use, a slice means what the strict decoder says of each message."""
    schemas = schemas or SCHEMAS[source.event]
    batch = (decoder or Decoder(schemas)).decode(source)
    answer = answer_of(batch, schemas[-1])
    assert answer == strict_answer(source, schemas)
    return answer


def two_versions(event: str) -> tuple[EventSchema, ...]:
    """The event's schema and a later one, with more fields of which one is required."""
    older = SCHEMAS[event][0]
    added = tuple(
        replace(older.field(like), name=name, required=required, columns=(), since=2)
        for name, like, required in (
            ("trailer", "event", False),
            ("reading_at", older.time_field, False),
            ("household_id", "account_id", False),
            ("weight", "event", True),
        )
    )
    return older, replace(older, version=2, fields=(*added[:2], *older.fields, *added[2:]))


@dataclass(frozen=True)
class Case:
    """One message of a case file and what must become of it."""

    name: str
    event: str
    message: bytes
    reason: str | None
    values: dict[str, Any]
    nulled: list[tuple[str, str]]


_REPEAT = re.compile(rb"<<(.*?)\*([0-9]+)>>", re.DOTALL)


def read_cases() -> list[Case]:
    """All cases of `decode_cases/*.tsv`; README.md there says how they are written."""
    found = []
    for path in sorted(CASES.glob("*.tsv")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            if line and not line.startswith("#"):
                found.append(_case(f"{path.stem}:{number}", line))
    return found


def _case(name: str, line: str) -> Case:
    expected, how, text, *more = line.split("\t")
    raw = text.encode("utf-8").decode("unicode_escape").encode("latin-1")
    raw = _REPEAT.sub(lambda match: match[1] * int(match[2]), raw)
    event, _, placement = how.partition(".")
    valid = VALID[event]
    if placement == "add":
        message = json.dumps(valid).encode()[:-1] + b", " + raw + b"}"
    elif placement.startswith("set:"):
        field = placement.removeprefix("set:")
        rest = {key: value for key, value in valid.items() if key != field}
        message = json.dumps(rest).encode()[:-1] + b', "' + field.encode() + b'": ' + raw + b"}"
    elif placement == "around":
        message = raw.replace(b"$", json.dumps(valid).encode())
    else:
        assert placement == "whole", f"{name}: unknown placement"
        message = raw
    values = json.loads(more[0]) if more and more[0] else {}
    nulled = [tuple(item.split(":")) for item in more[1].split(",")] if len(more) > 1 else []
    reason = None if expected == "row" else expected
    return Case(name, event, message, reason, values, nulled)  # type: ignore[arg-type]
