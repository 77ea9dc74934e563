"""Receipts vouch for one another: a removed, changed or reordered line is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.rights.receipts import FIRST_PREVIOUS, Receipts

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    receipts = Receipts(tmp_path / "receipts.ndjson")
    for number in range(4):
        receipts.write("erase", {"rows": number, "day": "2026-11-01"}, NOW)
    return tmp_path / "receipts.ndjson"


def test_receipts_are_numbered_and_chained(path: Path) -> None:
    receipts = Receipts(path).all()
    assert [receipt.number for receipt in receipts] == [1, 2, 3, 4]
    assert [receipt.body["rows"] for receipt in receipts] == [0, 1, 2, 3]
    assert [receipt.previous for receipt in receipts] == [
        FIRST_PREVIOUS,
        *(receipt.hash for receipt in receipts[:-1]),
    ]
    assert Receipts(path).verify() is None


def test_no_receipts_are_a_whole_chain(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path / "none.ndjson")
    assert receipts.all() == []
    assert receipts.verify() is None
    assert list(tmp_path.iterdir()) == []


def changed(lines: list[str]) -> list[str]:
    data = json.loads(lines[1])
    data["body"]["rows"] = 99
    return [lines[0], json.dumps(data, separators=(",", ":")), *lines[2:]]


def with_body(body: str) -> Callable[[list[str]], list[str]]:
    return lambda lines: [
        lines[0],
        lines[1].replace('{"rows":1', f'{{"rows":{body}', 1),
        *lines[2:],
    ]


TAMPERED: dict[str, tuple[Callable[[list[str]], list[str]], int]] = {
    "first removed": (lambda lines: lines[1:], 1),
    "one removed": (lambda lines: [lines[0], *lines[2:]], 2),
    "last removed": (lambda lines: lines[:-1], 4),
    "all removed": (lambda lines: [], 1),
    "reordered": (lambda lines: [lines[0], lines[2], lines[1], lines[3]], 2),
    "repeated": (lambda lines: [*lines, lines[3]], 5),
    "changed": (changed, 2),
    "not a number": (with_body("NaN"), 2),
    "nested": (with_body("[" * 900 + "]" * 900), 2),
    "nested deeply": (with_body("[" * 90_000 + "]" * 90_000), 2),
    "not json": (lambda lines: [*lines[:2], "{", lines[3]], 3),
    "another key": (lambda lines: [lines[0][:-1] + ',"x":1}', *lines[1:]], 1),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_every_kind_of_tampering_is_found_where_it_is(path: Path, name: str) -> None:
    tamper, line = TAMPERED[name]
    lines = path.read_text().splitlines()
    path.write_text("".join(f"{text}\n" for text in tamper(lines)))
    broken = Receipts(path).verify()
    assert broken is not None
    assert broken.line == line
    with pytest.raises(EnvironmentProblem, match="chain of receipts is broken"):
        Receipts(path).write("erase", {}, NOW)


def test_every_changed_byte_is_found(path: Path) -> None:
    content = path.read_bytes()
    for position in range(0, len(content), 13):
        if content[position] == ord("\n"):
            continue
        other = bytes([content[position] ^ 1])
        path.write_bytes(content[:position] + other + content[position + 1 :])
        assert Receipts(path).verify() is not None


def test_a_whole_new_chain_does_not_fit_what_is_remembered(path: Path, tmp_path: Path) -> None:
    other = Receipts(tmp_path / "other.ndjson")
    for _ in range(4):
        other.write("expire", {}, NOW)
    path.write_bytes((tmp_path / "other.ndjson").read_bytes())
    assert Receipts(path).verify() is not None


def test_a_chain_that_is_gone_is_told(path: Path) -> None:
    path.unlink()
    broken = Receipts(path).verify()
    assert broken is not None
    assert "gone" in broken.why
    with pytest.raises(EnvironmentProblem):
        Receipts(path).write("erase", {}, NOW)


def test_a_crash_before_the_head_was_remembered_is_made_good(path: Path) -> None:
    head = path.with_name(f".{path.name}.head")
    before = head.read_bytes()
    Receipts(path).write("erase", {}, NOW)
    head.write_bytes(before)
    assert Receipts(path).verify() is None
    assert Receipts(path).write("erase", {}, NOW).number == 6
    assert Receipts(path).verify() is None


def test_a_torn_last_line_was_never_a_receipt(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"number":5,"at":"20')
    assert Receipts(path).verify() is None
    assert Receipts(path).write("erase", {}, NOW).number == 5
    assert len(path.read_text().splitlines()) == 5
