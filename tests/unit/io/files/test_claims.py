"""One reader claims one file at a time; what it leaves there is a hint, whole or none."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.files.claims import Claims, Hint

HINT = Hint(f"file/{'a' * 16}/0", "b" * 16, {"64": "c" * 32}, "d" * 16, (10, 20, 30))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "claims"


def test_a_place_has_one_reader_at_a_time(folder: Path) -> None:
    first, second = Claims(folder), Claims(folder)
    assert first.take("1-2")
    assert first.take("1-2")
    assert not second.take("1-2")
    first.release()
    first.release()
    assert second.take("1-2")


def test_a_reader_holds_one_place_and_keeps_it_when_another_is_taken(folder: Path) -> None:
    first, second, third = Claims(folder), Claims(folder), Claims(folder)
    assert first.take("a")
    assert second.take("b")
    assert not first.take("b")
    assert not third.take("a")
    assert first.take("c")
    assert third.take("a")


@pytest.mark.parametrize("end", [None, (10, 20, 30)])
def test_a_hint_is_found_at_its_place_and_under_its_name(
    folder: Path, end: tuple[int, int, int] | None
) -> None:
    hint = Hint(HINT.app_id, HINT.line, HINT.beginnings, HINT.name, end)
    claims = Claims(folder)
    assert (claims.hint(), claims.hint_of_name("name")) == (None, None)
    claims.take("a")
    assert claims.hint() is None
    claims.leave(HINT.pack() * 1, "name")
    claims.leave(hint.pack(), "name")
    claims.release()
    again = Claims(folder)
    assert again.take("a")
    assert (again.hint(), again.hint_of_name("name")) == (hint, hint)


def test_without_a_claim_nothing_is_left(folder: Path) -> None:
    Claims(folder).leave(HINT.pack(), "name")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"app_id": "x"}', HINT.pack()[:-9]]
)
def test_a_hint_that_a_crash_left_half_written_is_none(folder: Path, content: bytes) -> None:
    claims = Claims(folder)
    (folder / "a.lock").write_bytes(content)
    (folder / "name.name").write_bytes(content)
    claims.take("a")
    assert (claims.hint(), claims.hint_of_name("name")) == (None, None)


def test_claims_are_private(folder: Path) -> None:
    claims = Claims(folder)
    claims.take("a")
    claims.leave(HINT.pack(), "name")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert (modes, stat.S_IMODE(folder.stat().st_mode)) == ({0o600}, 0o700)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(EnvironmentProblem, match="folder of claims"):
        Claims(tmp_path / "file" / "claims")
