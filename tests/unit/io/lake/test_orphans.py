"""Rubbish is told from what may still be committed, and from what is not ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.lake.orphans import (
    SWEEP_AFTER_SECONDS,
    is_revealed,
    number_of,
    of_dead,
    remove,
    sort_leftovers,
    writer_of,
)
from pipeline.io.lake.storage import LocalStorage, StoredFile

NOW = 1e9
WRITER, OTHER = "0123456789ab", "ba9876543210"


def name(kind: str = "part", writer: str = WRITER, digit: str = "1", label: str = "") -> str:
    return f"event_date=2026-11-23/{kind}-{writer}-{digit * 32}{label}.parquet"


def hidden(path: str) -> str:
    folder, _, last = path.rpartition("/")
    return f"{folder}/.{last}.tmp"


def found(path: str, age: float = 0.0) -> StoredFile:
    return StoredFile(path, 10, NOW - age)


FOREIGN = [
    "notes.txt",
    "event_date=2026-11-23/notes.txt",
    "event_date=2026-11-23/part-x.parquet",
    name(writer="0123456789AB"),
    name(kind="copy"),
    f"deep/{name()}",
    name().removesuffix(".parquet"),
    hidden(name()).removesuffix(".tmp"),
    name() + ".tmp",
    name().replace("2026-11-23", "today"),
]


@pytest.mark.parametrize("kind", ["part", "sealed", "final"])
@pytest.mark.parametrize("label", ["", ".4weeks-0037"])
def test_our_files_are_known_by_their_names_hidden_or_revealed(kind: str, label: str) -> None:
    path = name(kind, label=label)
    assert writer_of(path) == writer_of(hidden(path)) == WRITER
    assert (is_revealed(path), is_revealed(hidden(path))) == (True, False)
    assert number_of(path) == number_of(hidden(path)) == int("1" * 15, 16)


@pytest.mark.parametrize("path", FOREIGN)
def test_what_is_not_named_as_we_name_is_not_ours(path: str) -> None:
    assert (writer_of(path), number_of(path), is_revealed(path)) == (None, None, False)


def test_leftovers_are_told_apart_by_name_age_and_writer() -> None:
    old, young = name(digit="a"), name(digit="b")
    alive, named = name(writer=OTHER), name(digit="c")
    hour = SWEEP_AFTER_SECONDS
    files = [
        found(old, hour),
        found(hidden(old), hour + 1),
        found(young, hour - 1),
        found(alive, 10 * hour),
        found(named, 10 * hour),
        found("notes.txt", 10 * hour),
    ]
    sorted_ = sort_leftovers(files, frozenset({named}), frozenset({OTHER}), lambda: NOW)
    assert {file.path for file in sorted_.orphans} == {old, hidden(old)}
    assert {file.path for file in sorted_.young} == {young, alive}
    assert [file.path for file in sorted_.foreign] == ["notes.txt"]


@pytest.mark.parametrize(
    ("files", "readings"),
    [
        ([found("notes.txt"), found(name(digit="c"))], 0),
        ([found(name(digit="a")), found(name(digit="b"))], 1),
    ],
)
def test_the_stores_clock_is_read_only_when_there_is_something_to_judge(
    files: list[StoredFile], readings: int
) -> None:
    asked: list[int] = []

    def clock() -> float:
        asked.append(1)
        return NOW

    sort_leftovers(files, frozenset({name(digit="c")}), frozenset(), clock)
    assert len(asked) == readings


def test_a_dead_writers_files_are_those_that_no_commit_names() -> None:
    named, left, others = name(digit="a"), name(digit="b"), name(writer=OTHER)
    files = [found(path) for path in (named, left, hidden(left), others, "notes.txt")]
    doomed = of_dead(files, frozenset({named}), frozenset({WRITER}))
    assert [file.path for file in doomed] == [left, hidden(left)]
    assert of_dead(files, frozenset(), frozenset()) == ()


def write(root: Path, path: str) -> None:
    (root / path).parent.mkdir(exist_ok=True)
    (root / path).write_bytes(b"x")


def test_removing_counts_and_does_not_mind_what_is_gone(tmp_path: Path) -> None:
    write(tmp_path, name(digit="a"))
    files = [found(name(digit="a")), found(name(digit="b"))]
    assert remove(LocalStorage(tmp_path), files, "/lake") == 2
    assert not (tmp_path / name(digit="a")).exists()


@pytest.mark.usefixtures("heeds_permissions")
def test_a_file_that_cannot_be_removed_is_told(tmp_path: Path) -> None:
    write(tmp_path, name())
    folder = (tmp_path / name()).parent
    folder.chmod(0o500)
    try:
        with pytest.raises(EnvironmentProblem, match="leftover file could not be removed"):
            remove(LocalStorage(tmp_path), [found(name())], "/lake")
    finally:
        folder.chmod(0o700)
