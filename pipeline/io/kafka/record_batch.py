"""Kafka record batches (format 2) to messages: offsets in the batch, not an object per record.

The client's own parser makes a record object with key, headers and timestamps for each message
(about 8 microseconds); here the native kernel finds offsets and values in a fiftieth of one,
and where it was not built, a lean loop does so in one.
Keys and headers are skipped unread: they are data, and nothing in the pipeline uses them.
Decompression is bounded: a batch that unpacks to more than `BATCH_BYTES` is read as a stream, and
a value longer than any accepted message is cut just past the limit, so that it is rejected as too
large without ever being held whole. Pure functions on bytes; the network is not known here.
"""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

import lz4.frame
import numpy as np
import snappy
import zstandard

from pipeline import native
from pipeline.io.kafka.messages import PartitionMessages

BATCH_BYTES = 64 * 1024 * 1024
"""A batch that unpacks to more is read as a stream."""

KEPT_BYTES = 64 * 1024 + 1
"""How much of an oversized value a stream keeps: one byte more than a message may have."""

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)

_CHUNK = 1024 * 1024
_LZ4_RATIO = 8
"""A batch of events seldom shrinks to less than an eighth."""
_XERIAL = b"\x82SNAPPY\x00"


class BrokenBatch(Exception):
    """A batch whose bytes are not what its header says; carries no content."""


def unpack(records: bytes, count: int, base_offset: int, floor: int = 0) -> PartitionMessages:
    """Find the offset and value of each of `count` records, from the first with offset `floor` on.

    A null value is empty. Raises BrokenBatch if the records do not fill `records` exactly.
    """
    kernel = native.kernel()
    if kernel is not None:
        found = kernel.find_records(records, count, base_offset, floor)
        if found is None:
            raise BrokenBatch("the records do not fill the batch")
        return PartitionMessages(records, *(np.frombuffer(places, np.int64) for places in found))
    starts: list[int] = []
    ends: list[int] = []
    offsets: list[int] = []
    _find_records(records, count, base_offset, starts, ends, offsets)
    places = (np.array(part, np.int64) for part in (starts, ends, offsets))
    return PartitionMessages(records, *places).since(floor)


def _find_records(
    records: bytes,
    count: int,
    base_offset: int,
    starts: list[int],
    ends: list[int],
    offsets: list[int],
) -> None:
    """Do what the kernel does, for installations without it."""
    add_start = starts.append
    add_end = ends.append
    add_offset = offsets.append
    position = 0
    # One- and two-byte varints are read inline: a function call costs more than all the rest.
    try:
        for _ in range(count):
            low = records[position]
            position += 1
            if low < 128:
                end = position + (low >> 1)
            elif (high := records[position]) < 128:
                position += 1
                end = position + (((low & 127) | (high << 7)) >> 1)
            else:
                low, position = _varint(records, position - 1)
                end = position + (low >> 1)
            position += 1  # attributes: none are defined
            while records[position] > 127:  # time: not needed
                position += 1
            position += 1
            low = records[position]
            position += 1
            if low > 127:
                if (high := records[position]) < 128:
                    position += 1
                    low = (low & 127) | (high << 7)
                else:
                    low, position = _varint(records, position - 1)
            add_offset(base_offset + (low >> 1))
            low = records[position]
            position += 1
            if low != 1:  # a key; 1 is the length -1: no key
                if low > 127:
                    low, position = _varint(records, position - 1)
                position += low >> 1
            low = records[position]
            position += 1
            if low > 127:
                if (high := records[position]) < 128:
                    position += 1
                    low = (low & 127) | (high << 7)
                else:
                    low, position = _varint(records, position - 1)
            stop = position if low & 1 else position + (low >> 1)
            if stop > end:
                raise BrokenBatch("a value is longer than its record")
            add_start(position)
            add_end(stop)
            position = end
    except IndexError:
        raise BrokenBatch("the batch ends inside a record") from None
    if position != len(records):
        raise BrokenBatch("the records do not fill the batch")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Read an unsigned varint of any length; gives the value before zigzag and the next place."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            raise BrokenBatch("a number is too long")


def decompress(codec: int, data: memoryview, limit: int = BATCH_BYTES) -> bytes | None:
    """Return what `data` unpacks to, or None if that is more than `limit` bytes.

    Raises BrokenBatch if the data is damaged or the codec unknown.
    """
    try:
        if codec == NONE:
            return data.tobytes()
        if codec == LZ4:
            return _unpack_lz4(data, limit)
        if codec == SNAPPY and _snappy_size(data) <= limit:
            return b"".join(_snappy_blocks(data))
        parts = []
        room = limit
        with open_stream(codec, data) as stream:
            while part := stream.read(_CHUNK):
                room -= len(part)
                if room < 0:
                    return None
                parts.append(part)
        return b"".join(parts)
    except _DAMAGE:
        raise BrokenBatch("the batch does not decompress") from None


def _unpack_lz4(data: memoryview, limit: int) -> bytes | None:
    """Unpack a frame into little more room than it needs: its header seldom says how much."""
    unpacker = lz4.frame.LZ4FrameDecompressor()
    parts: list[bytes] = []
    room = limit + 1
    while room > 0:
        most = min(room, max(_CHUNK, _LZ4_RATIO * len(data)))
        part = cast("bytes", unpacker.decompress(b"" if parts else data, max_length=most))
        parts.append(part)
        room -= len(part)
        if unpacker.eof or unpacker.needs_input or not part:
            break
    return b"".join(parts) if room > 0 else None


def open_stream(codec: int, data: memoryview) -> BinaryIO:
    """Return a file that unpacks `data` while it is read. Raises BrokenBatch on unknown codecs."""
    source = io.BytesIO(data)
    if codec == GZIP:
        return cast("BinaryIO", gzip.GzipFile(fileobj=source))
    if codec == LZ4:
        return cast("BinaryIO", lz4.frame.LZ4FrameFile(source))
    if codec == ZSTD:
        reader = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
        return cast("BinaryIO", reader)
    if codec == SNAPPY:
        return cast("BinaryIO", _Blocks(_snappy_blocks(data)))
    raise BrokenBatch("the compression is not one of gzip, snappy, lz4, zstd")


def unpack_stream(stream: BinaryIO, count: int, base_offset: int) -> Iterator[tuple[int, bytes]]:
    """Yield offset and value of each record, with values cut to `KEPT_BYTES`.

    Holds one cut value at a time. Raises BrokenBatch like `unpack`.
    """
    try:
        for _ in range(count):
            left = _Counted(stream, _read_varint(stream) >> 1)
            left.skip(1)
            _read_varint(left)
            offset = base_offset + (_read_varint(left) >> 1)
            key = _read_varint(left)
            left.skip(0 if key & 1 else key >> 1)
            size = _read_varint(left)
            value = b"" if size & 1 else left.read(min(size >> 1, KEPT_BYTES))
            left.skip(left.size)
            yield offset, value
    except _DAMAGE:
        raise BrokenBatch("the batch does not decompress") from None


class _Counted:
    """What is left of one record in a stream."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.stream = stream
        self.size = size

    def read(self, count: int) -> bytes:
        if count > self.size:
            raise BrokenBatch("a field is longer than its record")
        self.size -= count
        parts = []
        while count:
            part = self.stream.read(min(count, _CHUNK))
            if not part:
                raise BrokenBatch("the batch ends inside a record")
            count -= len(part)
            parts.append(part)
        return b"".join(parts)

    def skip(self, count: int) -> None:
        while count:
            step = min(count, _CHUNK)
            self.read(step)
            count -= step


def _read_varint(stream: BinaryIO | _Counted) -> int:
    value = shift = 0
    while True:
        byte = stream.read(1)
        if not byte:
            raise BrokenBatch("the batch ends inside a record")
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
        shift += 7
        if shift > 63:
            raise BrokenBatch("a number is too long")


class _Blocks(io.RawIOBase):
    """A file over blocks of bytes."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__()
        self._blocks = blocks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._rest = block
        out, self._rest = self._rest[:size], self._rest[size:]
        return out


def _snappy_blocks(data: memoryview) -> Iterator[bytes]:
    """Unpack snappy as Java's clients frame it (blocks), or a single bare block."""
    if data[:8] != _XERIAL:
        yield snappy.decompress(data.tobytes())
        return
    for start, stop in _xerial(data):
        yield snappy.decompress(data[start:stop].tobytes())


def _xerial(data: memoryview) -> Iterator[tuple[int, int]]:
    position = 16
    while position < len(data):
        (size,) = struct.unpack_from(">i", data, position)
        position += 4
        if size < 0 or position + size > len(data):
            raise BrokenBatch("a snappy block is cut")
        yield position, position + size
        position += size


def _snappy_size(data: memoryview) -> int:
    """Add up the unpacked sizes that the blocks declare."""
    blocks = _xerial(data) if data[:8] == _XERIAL else iter([(0, len(data))])
    return sum(_varint(data[start : start + 10].tobytes(), 0)[0] for start, _ in blocks)


_DAMAGE = (
    EOFError,
    IndexError,
    OSError,
    RuntimeError,
    ValueError,
    snappy.UncompressError,
    struct.error,
    zlib.error,
    zstandard.ZstdError,
)
