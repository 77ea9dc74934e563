"""Record batches: what the client's own parser reads, in every codec, and damage is named."""

from __future__ import annotations

from collections.abc import Sequence

import lz4.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from pipeline.io.kafka import record_batch
from pipeline.io.kafka.messages import join
from pipeline.io.kafka.record_batch import (
    BrokenBatch,
    decompress,
    open_stream,
    unpack,
    unpack_stream,
)
from tests.both_ways import decoder_in_use

__all__ = ["decoder_in_use"]

HEADER = 61
Record = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]

SIZES = st.sampled_from([0, 1, 62, 63, 64, 127, 128, 8191, 8192, 70_000])
BYTES = st.none() | st.binary(max_size=20) | SIZES.map(lambda size: b"x" * size)
HEADERS = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3)
RECORDS = st.lists(st.tuples(BYTES, BYTES, HEADERS), min_size=1, max_size=8)


def build(records: Sequence[Record], codec: int, step: int = 1, time_step: int = 1) -> memoryview:
    """A batch as it is sent, without its header; offsets go up by `step`."""
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 30)
    for number, (key, value, headers) in enumerate(records):
        time_ms = 1_700_000_000_000 + number * time_step
        builder.append(number * step, time_ms, key, value, headers)
    return memoryview(bytes(builder.build()))


def codec_of(batch: memoryview) -> int:
    """The codec that was used: incompressible data is sent as it is."""
    return int(DefaultRecordBatch(batch).compression_type)


def read(batch: memoryview, count: int) -> list[tuple[int, bytes]]:
    data = decompress(codec_of(batch), batch[HEADER:])
    assert data is not None
    return list(unpack(data, count, 0))


@given(RECORDS, st.integers(0, 4), st.sampled_from([1, 63, 64, 10_000]), st.integers(-5, 10**6))
def test_offsets_and_values_are_those_of_the_public_parser(
    records: list[Record], codec: int, step: int, time_step: int
) -> None:
    batch = build(records, codec, step, time_step)
    public = [(record.offset, record.value or b"") for record in DefaultRecordBatch(batch)]
    assert read(batch, len(records)) == public


@given(RECORDS, st.integers(1, 4))
def test_a_stream_gives_the_same_with_long_values_cut(records: list[Record], codec: int) -> None:
    batch = build(records * 5, codec)
    used = codec_of(batch)
    if used == record_batch.NONE:
        return
    whole = read(batch, len(records) * 5)
    with open_stream(used, batch[HEADER:]) as stream:
        streamed = list(unpack_stream(stream, len(records) * 5, 0))
    assert streamed == [(offset, value[:65_537]) for offset, value in whole]


@pytest.mark.parametrize("codec", range(5))
def test_more_than_the_limit_is_not_unpacked(codec: int) -> None:
    batch = build([(None, bytes(200_000), [])], codec)
    if codec == record_batch.NONE:
        return
    assert decompress(codec, batch[HEADER:], limit=100_000) is None
    found = decompress(codec, batch[HEADER:], limit=300_000)
    assert found is not None
    assert len(found) > 200_000


@pytest.mark.parametrize("codec", range(1, 5))
def test_damaged_data_is_named_as_such_and_quotes_nothing(codec: int) -> None:
    batch = bytearray(build([(None, b"secret" * 1000, [])], codec)[HEADER:])
    batch[len(batch) // 2 :] = b"\xff" * 8
    with pytest.raises(BrokenBatch) as caught:
        data = decompress(codec, memoryview(bytes(batch)))
        unpack(data or b"", 1, 0)
    assert "secret" not in str(caught.value)


@given(RECORDS, st.data())
def test_a_batch_that_is_cut_or_longer_is_broken(
    records: list[Record], data: st.DataObject
) -> None:
    whole = bytes(build(records, record_batch.NONE)[HEADER:])
    cut = data.draw(st.integers(0, len(whole) - 1))
    for wrong in (whole[:cut], whole + b"\x00"):
        with pytest.raises(BrokenBatch):
            unpack(wrong, len(records), 0)


@given(RECORDS, st.integers(1, 90), st.integers(0, 700))
def test_a_seek_into_a_batch_leaves_out_what_comes_before(
    records: list[Record], step: int, floor: int
) -> None:
    data = bytes(build(records, record_batch.NONE, step)[HEADER:])
    every = list(unpack(data, len(records), 0))
    found = unpack(data, len(records), 0, floor)
    assert list(found) == [(offset, value) for offset, value in every if offset >= floor]
    assert list(join([found, found])) == list(found) * 2


def test_an_unknown_codec_is_broken() -> None:
    with pytest.raises(BrokenBatch, match="gzip, snappy, lz4, zstd"):
        decompress(7, memoryview(b"x"))


@pytest.mark.parametrize("size", [0, 1, 3 * 1024 * 1024 + 1])
@pytest.mark.parametrize("linked", [False, True])
def test_lz4_that_shrank_more_than_it_usually_does_is_unpacked_whole(
    size: int, linked: bool
) -> None:
    data = lz4.frame.compress(bytes(size), block_linked=linked, store_size=False)
    assert decompress(record_batch.LZ4, memoryview(data), limit=size) == bytes(size)
    if size:
        assert decompress(record_batch.LZ4, memoryview(data), limit=size - 1) is None
