"""Decode, for messages of a schema registry: first to JSON texts, then like any other message.

A message is taken apart by the schema that its first bytes name; the resulting JSON texts go
through the decoder of the source's format or of the event's own JSON, the same for all kinds.
So a field that is not declared goes no further here either, and every limit holds.

The wire format is Confluent's: a zero byte, the schema's number in four bytes, the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa

from pipeline.events.decode.decoder import Decodes, rejections
from pipeline.events.decode.strict_json import MAX_SIZE, Refused
from pipeline.events.model import OFFSET, SIZE, Offsets, RawBatch, Reason, Slice
from pipeline.events.wire.model import Reader, Readers

HEAD: Final = 5
"""Bytes before a message's content."""


class WireDecoder:
    """Decodes slices of one source. Keeps nothing of the messages; cannot be pickled."""

    __slots__ = ("_decoder", "_readers")

    def __init__(self, readers: Readers, decoder: Decodes) -> None:
        """`decoder` reads the JSON texts."""
        self._readers = readers
        self._decoder = decoder

    def decode(self, source: Slice) -> RawBatch:
        """See `pipeline.events.decode.decoder.Decoder.decode`; raises as `Readers.find` does."""
        bounds = zip(source.starts.tolist(), source.ends.tolist(), strict=True)
        messages = [source.data[start:end] for start, end in bounds]
        readers = self._readers.find({_number(one) for one in messages if _is_framed(one)})
        texts: list[bytes] = []
        kept: list[int] = []
        refused: list[int] = []
        reasons: list[Reason] = []
        for at, message in enumerate(messages):
            try:
                texts.append(_text(message, readers))
                kept.append(at)
            except Refused as refusal:
                refused.append(at)
                reasons.append(refusal.reason)
        batch = self._decoder.decode(_slice(source, texts, np.array(kept, np.int64)))
        more = rejections(source, np.array(refused, np.int64), reasons)
        return _with_wire_sizes(batch, source, more)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a WireDecoder is built where it is used: it does not travel")


def _is_framed(message: bytes) -> bool:
    return HEAD < len(message) <= MAX_SIZE and message[0] == 0


def _number(message: bytes) -> int:
    return int.from_bytes(message[1:HEAD])


def _text(message: bytes, readers: Mapping[int, Reader | None]) -> bytes:
    """The JSON text of a message; raises `Refused`."""
    if not message:
        raise Refused(Reason.EMPTY)
    if len(message) > MAX_SIZE:
        raise Refused(Reason.TOO_LARGE)
    if not _is_framed(message):
        raise Refused(Reason.NOT_IN_FORMAT)
    reader = readers[_number(message)]
    if reader is None:
        raise Refused(Reason.UNUSABLE_SCHEMA)
    return reader(message[HEAD:])


def _slice(source: Slice, texts: list[bytes], kept: Offsets) -> Slice:
    """The messages that were understood, as their JSON texts."""
    stops = np.cumsum([len(text) for text in texts], dtype=np.int64)
    return replace(
        source,
        data=b"".join(texts),
        starts=np.concatenate([np.zeros(min(1, len(stops)), np.int64), stops[:-1]]),
        ends=stops,
        offsets=source.offsets[kept],
    )


def _with_wire_sizes(batch: RawBatch, source: Slice, more: pa.RecordBatch) -> RawBatch:
    """The batch with more rejections, in the slice's order, and sizes of messages as received.

    Offsets of a topic ascend.
    """
    sizes = (source.ends - source.starts).astype(np.int32)

    def sized(records: pa.RecordBatch, offset: str, size: str) -> pa.RecordBatch:
        places = np.searchsorted(source.offsets, records.column(offset).to_numpy())
        at = records.schema.get_field_index(size)
        return records.set_column(at, records.schema.field(at), pa.array(sizes[places]))

    rejected = sized(pa.concat_batches([batch.rejected, more]), "offset", "size")
    return replace(
        batch,
        read=batch.read + more.num_rows,
        rows=sized(batch.rows, OFFSET, SIZE),
        rejected=rejected.sort_by("offset"),
    )
