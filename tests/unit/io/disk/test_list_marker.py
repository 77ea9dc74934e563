"""A marker says what its list was when it was written, or that it cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.io.disk.list_marker import FileGone, ListMarker, Vouched

STATE = (7, bytes(range(32)))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    marker = ListMarker(tmp_path / "marker")
    assert (marker.exists(), marker.read()) == (False, None)
    for left in (None, (3, 4)):
        marker.write(2, [STATE, (9, bytes(32))], left)
        assert marker.read() == Vouched((STATE, (9, bytes(32))), 2, left)
    assert marker.exists()
    assert (tmp_path / "marker").stat().st_mode & 0o777 == 0o600


def test_a_marker_of_before_there_was_a_note_of_the_files_look_is_read(tmp_path: Path) -> None:
    path = tmp_path / "marker"
    path.write_text('{"generation": 3, "states": [[7, "' + bytes(range(32)).hex() + '"]]}')
    assert ListMarker(path).read() == Vouched((STATE,), 3, None)
    path.write_text("")
    assert ListMarker(path).read() is None


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "7",
        "{}",
        '{"generation": 1, "states": [[1]]}',
        '{"generation": 1, "states": [], "left": [1]}',
        '{"generation": "x", "states": []}',
    ],
)
def test_a_marker_that_cannot_be_read_says_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / "marker"
    path.write_text(content)
    with pytest.raises(FileGone, match="cannot be read"):
        ListMarker(path).read()
