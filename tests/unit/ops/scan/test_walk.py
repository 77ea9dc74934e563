"""A tree is compared with its grammar: names, kinds and modes; what has no place is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.io.tree import LocalTree
from pipeline.ops.scan.places import LAKE, Holds, Known, StateGrammar, TableGrammar
from pipeline.ops.scan.walk import GATED, MODES, ORPHANS, PLACES, Walked, still_there, walk

GRAMMAR = TableGrammar(LAKE, Known(["session"], ["requests"]))
DAY = "events/session/event_date=2026-11-23"
PART = f"part-{'a' * 12}-{'0' * 32}.parquet"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "lake"
    put(folder, f"{DAY}/{PART}")
    return folder


def put(root: Path, path: str, mode: int = 0o640) -> None:
    for folder in reversed((root / path).parents[: len(Path(path).parts)]):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    (root / path).write_bytes(b"x")
    (root / path).chmod(mode)


def walked(root: Path) -> Walked:
    return walk("lake", LocalTree(root), GRAMMAR)


def told(done: Walked) -> list[tuple[tuple[str, ...], str]]:
    return [(one.checks, one.place) for one in done.findings]


def test_a_tree_in_which_everything_has_a_place_has_no_finding(root: Path) -> None:
    done = walked(root)
    assert told(done) == []
    (rows,) = done.of(Holds.ROWS)
    assert rows.entry.path == f"{DAY}/{PART}"
    assert len(done.matches) == 5


@pytest.mark.parametrize(
    ("path", "checks"),
    [
        ("notes.txt", (PLACES,)),
        ("events/notes.txt", (PLACES, ORPHANS)),
        (f"{DAY}/notes.txt", (PLACES, ORPHANS)),
        ("rollups/notes.txt", (PLACES, GATED)),
    ],
)
def test_what_has_no_place_breaks_the_checks_of_where_it_lies(
    root: Path, path: str, checks: tuple[str, ...]
) -> None:
    put(root, path)
    assert told(walked(root)) == [(checks, f"lake/{path}")]


def test_a_folder_without_a_place_is_named_once_and_masked(root: Path) -> None:
    put(root, "alice@example.com/a/b.txt")
    put(root, "alice@example.com/c.txt")
    done = walked(root)
    assert told(done) == [((PLACES,), "lake/*")]


def test_a_link_or_a_folder_where_a_file_belongs_is_found(root: Path) -> None:
    (root / DAY / PART).rename(root / "elsewhere")
    (root / DAY / PART).symlink_to(root / "elsewhere")
    done = walked(root)
    assert any("a link where a file belongs" in one.reason for one in done.findings)
    assert list(done.of(Holds.ROWS)) == []


def test_what_everybody_may_change_is_found(root: Path) -> None:
    (root / DAY / PART).chmod(0o646)
    assert told(walked(root)) == [((MODES,), f"lake/{DAY}/{PART}")]


def test_a_private_place_is_open_to_its_owner_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    put(state, "optout.ndjson", 0o600)
    assert told(walk("state", LocalTree(state), StateGrammar())) == []
    (state / "optout.ndjson").chmod(0o640)
    done = walk("state", LocalTree(state), StateGrammar())
    assert told(done) == [((MODES,), "state/optout.ndjson")]
    assert "mode 640" in done.findings[0].reason


def test_a_passing_file_is_found_only_if_it_stays(root: Path) -> None:
    put(root, "rollups/.manifest.json.77.tmp")
    tree = LocalTree(root)
    done = walked(root)
    assert told(done) == []
    (left,) = still_there(done, tree, [Holds.PASSING])
    assert left.place == "lake/rollups/.manifest.json.77.tmp"
    (root / "rollups" / ".manifest.json.77.tmp").unlink()
    assert list(still_there(done, tree, [Holds.PASSING])) == []
