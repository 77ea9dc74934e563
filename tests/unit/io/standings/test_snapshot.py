"""A snapshot is believed only if it is private and whole, byte for byte."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.io.standings.lines import LineReader
from pipeline.io.standings.records import NOTHING
from pipeline.io.standings.snapshot import (
    HEADER,
    header_of,
    open_snapshot,
    remove_snapshot,
    snapshot_path,
    write_snapshot,
)
from tests.unit.io.standings.entries import lines_of, some_standings

STANDINGS = some_standings(9)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    where = snapshot_path(tmp_path / "optout.ndjson")
    reader = LineReader()
    reader.add(lines_of(STANDINGS))
    write_snapshot(where, (1234, 9, bytes(range(32))), NOTHING, reader.columns())
    return where


def test_a_snapshot_holds_what_it_was_given_and_is_private(path: Path) -> None:
    snapshot = open_snapshot(path)
    assert snapshot is not None
    assert dict(zip(STANDINGS, snapshot.standings.find(list(STANDINGS)), strict=True)) == STANDINGS
    header = snapshot.header
    assert (header.size, header.lines, header.chain) == (1234, 9, bytes(range(32)).hex())
    assert path.stat().st_mode & 0o777 == 0o600
    assert snapshot.untouched()


def test_any_flipped_bit_or_missing_byte_is_seen(path: Path) -> None:
    content = path.read_bytes()
    for at in range(0, len(content), 5):
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        assert open_snapshot(path) is None, at
    for size in (0, 1, HEADER - 1, HEADER, HEADER + 24, len(content) - 1):
        path.write_bytes(content[:size])
        assert open_snapshot(path) is None, size
    path.write_bytes(content + b"x")
    assert open_snapshot(path) is None
    path.write_bytes(content)
    assert open_snapshot(path) is not None


def test_a_snapshot_that_others_can_read_or_that_is_a_link_is_not_believed(path: Path) -> None:
    path.chmod(0o640)
    assert open_snapshot(path) is None
    path.chmod(0o600)
    real = path.with_name("real")
    path.rename(real)
    path.symlink_to(real)
    assert open_snapshot(path) is None
    path.unlink()
    assert open_snapshot(path) is None


def test_whoever_reads_one_sees_that_it_was_touched_and_can_read_on_if_it_is_gone(
    path: Path,
) -> None:
    snapshot = open_snapshot(path)
    assert snapshot is not None
    path.unlink()
    assert not snapshot.untouched()
    assert list(snapshot.standings.tokens()) == sorted(STANDINGS)


def test_writing_and_removal_take_what_a_killed_writer_left_with_them(path: Path) -> None:
    left = path.with_name(f".{path.name}.0123abcd.tmp")
    left.write_bytes(b"x")
    other = path.with_name(".optout.ndjson.0123abcd.tmp")
    other.write_bytes(b"x")
    write_snapshot(path, (0, 0, bytes(32)), NOTHING, LineReader().columns())
    assert sorted(os.listdir(path.parent)) == [other.name, path.name]
    left.write_bytes(b"x")
    remove_snapshot(path)
    assert os.listdir(path.parent) == [other.name]
    remove_snapshot(path)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"x" * HEADER, b'{"version": 2}'])
def test_what_is_no_header_of_this_version_is_none(content: bytes) -> None:
    assert header_of(content) is None
