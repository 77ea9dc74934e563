"""An archive is read forward in bounded steps, and damage is told where it is."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import SourceError
from pipeline.io.files.compressed import Unpacked, codec_of

TEXT = os.urandom(300_000).hex().encode()


def packed(codec: str, *parts: bytes) -> bytes:
    """Each part as a member or frame of its own."""
    if codec == "gzip":
        return b"".join(map(gzip.compress, parts))
    return b"".join(pa.Codec("zstd").compress(part, asbytes=True) for part in parts)


@contextmanager
def opened(tmp_path: Path, content: bytes, codec: str) -> Iterator[Unpacked]:
    path = tmp_path / "archive"
    path.write_bytes(content)
    handle = os.open(path, os.O_RDONLY)
    try:
        with Unpacked(handle, codec, str(path)) as unpacked:
            yield unpacked
        os.fstat(handle)  # closing it is the caller's business
    finally:
        os.close(handle)


@pytest.mark.parametrize(
    ("path", "codec"),
    [
        ("a.ndjson.gz", "gzip"),
        ("a.zst", "zstd"),
        ("a.ndjson", None),
        ("a.gz.tmp", None),
        ("gz", None),
    ],
)
def test_the_end_of_a_name_says_the_codec(path: str, codec: str | None) -> None:
    assert codec_of(path) == codec


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_members_that_follow_each_other_are_one_stream(tmp_path: Path, codec: str) -> None:
    with opened(tmp_path, packed(codec, b"ab", b"", b"cde"), codec) as unpacked:
        assert (unpacked.read(3), unpacked.offset) == (b"abc", 3)
        assert (unpacked.read(0), unpacked.offset) == (b"", 3)
        assert (unpacked.read(9), unpacked.offset, unpacked.ended) == (b"de", 5, True)
        assert unpacked.read(9) == b""


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_as_much_is_read_as_was_asked_for(tmp_path: Path, codec: str) -> None:
    content = packed(codec, TEXT)
    with opened(tmp_path, content, codec) as unpacked:
        assert unpacked.read(1000) == TEXT[:1000]
        assert unpacked.read(len(TEXT)) == TEXT[1000:]
        assert unpacked.consumed == len(content)


def test_what_an_archive_unpacks_to_is_not_held_in_memory(tmp_path: Path) -> None:
    with opened(tmp_path, gzip.compress(bytes(50_000_000)), "gzip") as unpacked:
        before = pa.total_allocated_bytes()
        assert len(unpacked.read(1000)) == 1000
        assert pa.total_allocated_bytes() - before < 10_000_000


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_what_comes_before_the_damage_is_given_and_then_the_damage_is_told(
    tmp_path: Path, codec: str
) -> None:
    whole = packed(codec, TEXT)
    for content in (whole[: len(whole) // 2], packed(codec, TEXT) + b"alice@example.com" * 99):
        read = 0
        with opened(tmp_path, content, codec) as unpacked, pytest.raises(SourceError) as caught:
            while part := unpacked.read(100_000):
                assert part == TEXT[read : read + len(part)]
                read += len(part)
            raise AssertionError("no damage was told")
        assert f"near uncompressed byte {read}" in caught.value.where
        assert "alice" not in str(caught.value)
        assert caught.value.remedy
