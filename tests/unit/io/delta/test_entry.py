"""An entry is whole or it is not: cut anywhere, emptied, zeroed or foreign."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.io.delta.entry import LINES, METADATA_KEY, parse_entry
from pipeline.io.delta.log_files import entry_name
from pipeline.io.lake.lake import Lake
from tests.unit.io.lakes import DAYS, NOW, app_id, batch, table_of


@pytest.fixture
def entries(tmp_path: Path) -> list[bytes]:
    """A creation, an append with rejections, and a rewrite."""
    lake = Lake(str(tmp_path / "lake"))
    table = table_of(lake)
    lake.rejections().prepare(batch(0, 10, rejected=(3,)), NOW)
    table.commit(batch(0, 10, rejected=(3,)))
    table.rewrite(table.snapshot().by_day()[DAYS[0]], metadata={"job": "test"})
    return [(table.log.folder / entry_name(version)).read_bytes() for version in range(3)]


def test_a_whole_entry_says_what_was_committed(entries: list[bytes]) -> None:
    created, appended, rewritten = map(parse_entry, entries)
    assert created is not None and appended is not None and rewritten is not None
    assert (created.added, created.positions, created.mark) == (frozenset(), {}, None)
    assert (len(appended.added), len(rewritten.removed)) == (2, 1)
    assert appended.positions[app_id()] == 10
    assert rewritten.durable == 1


def test_an_entry_cut_anywhere_is_not_whole(entries: list[bytes]) -> None:
    for entry in entries:
        for end in range(len(entry.rstrip())):
            assert parse_entry(entry[:end]) is None, end


def test_an_entry_of_zeros_is_not_whole(entries: list[bytes]) -> None:
    for entry in entries:
        assert parse_entry(bytes(len(entry))) is None
        assert parse_entry(entry[:40] + bytes(len(entry) - 40)) is None


def test_an_entry_of_version_0_1_cut_before_its_position_is_not_whole(
    entries: list[bytes],
) -> None:
    """It has no number of lines; its account tells the position that has to follow."""
    lines = [json.loads(line) for line in entries[1].splitlines()]
    words = lines[0]["commitInfo"][METADATA_KEY]
    for name in (LINES, "commit", "durable"):
        del words[name]
    told = [json.dumps(line).encode() for line in lines]
    assert parse_entry(b"\n".join(told)) is not None
    cut = [line for line in told if app_id().encode() not in line or b"txn" not in line]
    assert parse_entry(b"\n".join(cut)) is None
    assert parse_entry(told[0]) is None


@pytest.mark.parametrize("foreign", [b"[]", b"7\n", b"\n\n", b'"text"', b"<html></html>", b"\xff"])
def test_what_is_no_entry_is_not_whole(foreign: bytes) -> None:
    assert parse_entry(foreign) is None
