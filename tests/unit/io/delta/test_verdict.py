"""What the log says of a commit is told by its entry, and by nothing that a library said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.io.delta.log_files import LOG_FOLDER, LocalLogFiles, entry_name
from pipeline.io.delta.verdict import Intent, Verdict, judge

OURS = Intent(3, "00000000000000aa", frozenset({"day/part-1"}), frozenset(), {"kafka/t/0": 30})


def entry(mark: str | None, *added: str, position: int = 30) -> bytes:
    """The bytes of an entry."""
    words = {} if mark is None else {"commit": mark}
    lines: list[dict[str, object]] = [{"commitInfo": {"operation": "WRITE", "telemetry": words}}]
    lines += [{"add": {"path": path}} for path in added]
    lines.append({"txn": {"appId": "kafka/t/0", "version": position}})
    return "\n".join(map(json.dumps, lines)).encode()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / LOG_FOLDER
    folder.mkdir()
    return folder


def verdict(log: Path) -> Verdict:
    return judge(LocalLogFiles(log.parent), OURS)


@pytest.mark.parametrize("mark", ["00000000000000aa", None])
def test_an_entry_with_our_files_and_position_is_ours(log: Path, mark: str | None) -> None:
    (log / entry_name(3)).write_bytes(entry(mark, "day/part-1"))
    assert verdict(log) is Verdict.MADE


@pytest.mark.parametrize(
    "other",
    [
        entry("00000000000000bb", "day/part-2"),
        entry("00000000000000bb"),
        entry(None, "day/part-1", position=29),
    ],
)
def test_an_entry_of_somebody_else_has_taken_the_version(log: Path, other: bytes) -> None:
    """Also when it moves the same source to the same position: two readers of one slice do."""
    (log / entry_name(3)).write_bytes(other)
    assert verdict(log) is Verdict.TAKEN


def test_a_version_that_is_not_there_may_still_come(log: Path) -> None:
    (log / entry_name(2)).write_bytes(entry(None))
    assert verdict(log) is Verdict.ABSENT


def test_a_version_that_is_gone_or_torn_says_nothing(log: Path) -> None:
    (log / entry_name(4)).write_bytes(entry(None))
    assert verdict(log) is Verdict.GONE
    (log / entry_name(3)).write_bytes(b"{")
    assert verdict(log) is Verdict.GONE
