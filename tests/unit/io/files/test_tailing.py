"""Which files are followed: met once, kept through renames, let go when they are gone for good."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.io.files import tailing
from pipeline.io.files.tailing import ROTATION_GRACE_SECONDS, SETTLE_SECONDS, Tails

KEY = bytes(32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.ndjson").write_text('{"n":1}\n{"n":2}\n')
    return folder


@pytest.fixture
def tails(folder: Path) -> Iterator[Tails]:
    tails = Tails([str(folder)], KEY, to_end=False)
    yield tails
    tails.close()


def names(tails: Tails) -> list[str]:
    return sorted(Path(tail.path).name for tail in tails)


def test_new_files_are_taken_in_only_where_that_is_wanted(folder: Path, tails: Tails) -> None:
    tails.scan(0.0, adopt=False)
    assert names(tails) == []
    tails.scan(0.0, adopt=True)
    (folder / "b.ndjson").write_text('{"n":3}\n')
    tails.scan(1.0, adopt=False)
    assert names(tails) == ["a.ndjson"]
    tails.scan(2.0, adopt=True)
    assert names(tails) == ["a.ndjson", "b.ndjson"]


def test_a_renamed_file_stays_the_one_it_was(folder: Path, tails: Tails) -> None:
    tails.scan(0.0, adopt=True)
    (tail,) = tails
    (folder / "a.ndjson").rename(folder / "a.ndjson.1")
    tails.scan(1.0, adopt=True)
    assert [one is tail for one in tails] == [True]
    assert names(tails) == ["a.ndjson.1"]


def test_files_with_one_first_line_are_found_by_it(folder: Path, tails: Tails) -> None:
    (folder / "copy.ndjson").write_bytes((folder / "a.ndjson").read_bytes())
    (folder / "other.ndjson").write_text('{"n":9}\n')
    tails.scan(0.0, adopt=True)
    line = next(iter(tails)).line
    assert {Path(one.path).name for one in tails.beginning_with(line)} in (
        {"a.ndjson", "copy.ndjson"},
        {"other.ndjson"},
    )
    assert sum(len(tails.beginning_with(one.line)) == 2 for one in tails) == 2


def test_of_a_file_without_a_complete_line_nothing_is_said_yet(folder: Path, tails: Tails) -> None:
    (folder / "a.ndjson").write_text('{"n":')
    tails.scan(0.0, adopt=True)
    assert (names(tails), list(tails.unknown.values())) == ([], [5])
    (folder / "a.ndjson").write_text('{"n":1}\n')
    tails.scan(1.0, adopt=True)
    assert (names(tails), tails.unknown) == (["a.ndjson"], {})


def test_a_packed_file_is_taken_when_its_size_has_stood_still(folder: Path, tails: Tails) -> None:
    (folder / "a.ndjson").unlink()
    (folder / "b.ndjson.gz").write_bytes(gzip.compress(b'{"n":1}\n'))
    tails.scan(0.0, adopt=True)
    tails.scan(SETTLE_SECONDS - 0.1, adopt=True)
    assert names(tails) == []
    tails.scan(SETTLE_SECONDS, adopt=True)
    assert names(tails) == ["b.ndjson.gz"]


def test_a_file_that_became_shorter_is_to_be_judged(folder: Path, tails: Tails) -> None:
    tails.scan(0.0, adopt=True)
    (folder / "a.ndjson").write_text('{"n":1}\n')
    tails.scan(1.0, adopt=True)
    assert tails.cut == list(tails)


def test_a_file_whose_name_is_gone_is_let_go_after_a_while(folder: Path, tails: Tails) -> None:
    tails.scan(0.0, adopt=True)
    (tail,) = tails
    tail.stuck_at = tail.size
    (folder / "a.ndjson").unlink()
    tails.scan(1.0, adopt=True)
    tails.scan(ROTATION_GRACE_SECONDS, adopt=True)
    assert names(tails) == ["a.ndjson"]
    tails.scan(1.0 + ROTATION_GRACE_SECONDS, adopt=True)
    assert names(tails) == []


def test_a_run_to_the_end_does_not_lose_a_file_in_silence(folder: Path) -> None:
    tails = Tails([str(folder)], KEY, to_end=True)
    tails.scan(0.0, adopt=True)
    (tail,) = tails
    tail.close()
    (folder / "a.ndjson").unlink()
    with pytest.raises(SourceError, match="gone before it was read"):
        tails.scan(1.0, adopt=True)


def test_a_name_that_leads_to_other_content_gives_none(folder: Path, tails: Tails) -> None:
    tails.scan(0.0, adopt=True)
    (tail,) = tails
    assert tails.content(tail, 0.0) is tail.content
    tail.close()
    (folder / "a.ndjson").write_text('{"n":7}\n{"n":2}\n')
    assert tails.content(tail, 1.0) is None
    assert names(tails) == []
    tails.scan(2.0, adopt=True)
    assert names(tails) == ["a.ndjson"]


def test_a_file_beside_the_paths_is_followed_on_request(folder: Path, tails: Tails) -> None:
    beside = folder.parent / "b.ndjson"
    beside.write_text('{"n":5}\n')
    tail = tails.follow(str(beside), 0.0)
    assert tail is not None
    assert names(tails) == ["b.ndjson"]
    tails.unfollow(tail)
    tails.scan(1.0, adopt=True)
    assert names(tails) == ["a.ndjson"]


def test_only_so_many_files_are_held_open(
    folder: Path, tails: Tails, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tailing, "MAX_OPEN", 2)
    for number in range(5):
        (folder / f"{number}.ndjson").write_text(f'{{"n":{number}}}\n')
    tails.scan(0.0, adopt=True)
    assert sum(tail.content is not None for tail in tails) == 2
    assert len(names(tails)) == 6
