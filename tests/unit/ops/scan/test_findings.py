"""Findings add up, each once, and a name that nobody vouches for is not repeated."""

from __future__ import annotations

import pytest

from pipeline.ops.scan.findings import Doubt, Finding, Scanned, masked, merged

ONE = Finding(("columns_closed", "session_columns"), "lake/a, model", "not in its list", 3)
OTHER = Finding(("state_closed",), "state/b", "not a line of this file")
DOUBT = Doubt(("no_orphans",), "lake/c", "nobody knows its writer")


def test_a_finding_is_told_by_place_reason_and_count() -> None:
    assert str(ONE) == "lake/a, model: not in its list (3)"
    assert str(OTHER) == "state/b: not a line of this file"
    assert str(DOUBT) == "lake/c: nobody knows its writer"


def test_parts_add_up_and_each_finding_stands_once() -> None:
    parts = [Scanned(1, 10, 5, (ONE,), (DOUBT,)), Scanned(2, 20, 7, (ONE, OTHER), (DOUBT,))]
    assert merged(parts) == Scanned(3, 30, 12, (ONE, OTHER), (DOUBT,))
    assert merged([]) == Scanned()


def test_a_finding_belongs_to_every_check_that_it_breaks() -> None:
    scanned = Scanned(findings=(ONE, OTHER), doubts=(DOUBT,))
    assert scanned.of("columns_closed") == scanned.of("session_columns") == [ONE]
    assert scanned.of("no_orphans") == []
    assert scanned.doubted("no_orphans") == [DOUBT]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("events/session/notes.txt", "events/session/notes.txt"),
        ("events/alice@example.com.csv", "events/*"),
        ("events/alice%40example.com", "events/alice*example.com"),
        ("events/0123456789abcdef0123", "events/*"),
        ("203.0.113.77.log", "*.log"),
        ("203-0-113-77.log", "*.log"),
        ("2001:db8::77", "*"),
        ("Zoë/é", "Zo*/*"),
        ("a\nb", "a*b"),
    ],
)
def test_what_could_be_somebodys_is_masked(path: str, shown: str) -> None:
    assert masked(path) == shown


def test_a_long_name_is_cut() -> None:
    assert len(masked("x/" * 1000)) == 120
