"""Plain and packed content answer alike: whole lines, positions of the text, what contradicts."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from pipeline.errors import SourceError
from pipeline.io.files.framing import MESSAGE_BYTES
from pipeline.io.files.identity import WINDOW
from pipeline.io.files.open_file import Content, open_content
from pipeline.io.files.paths import find_inputs

TEXT = b"".join(b'{"n":%d}\n' % number for number in range(100))
Opener = Callable[[bytes], Content]
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard.compress,
}


def opened(path: Path) -> Content:
    ((place, (name, _)),) = find_inputs([str(path)]).items()
    content = open_content(name, place)
    assert content is not None
    return content


@pytest.fixture(params=PACKED)
def content(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """What opens a text, plain or packed."""
    held: list[Content] = []

    def opener(text: bytes) -> Content:
        path = tmp_path / f"in.ndjson{request.param}"
        path.write_bytes(PACKED[request.param](text))
        held.append(opened(path))
        return held[-1]

    yield opener
    for one in held:
        one.close()
        one.close()


def read(content: Content, position: int, limit: int) -> list[bytes]:
    found = []
    while (cut := content.cut(position, limit, to_end=True)) is not None:
        pairs = zip(cut.lines.starts.tolist(), cut.lines.ends.tolist(), strict=True)
        found += [cut.data[start:end] for start, end in pairs]
        assert position < cut.stop
        position = cut.stop
    return found


@pytest.mark.parametrize("limit", [20, 1 << 20])
def test_every_line_is_cut_once_from_any_line_on(content: Opener, limit: int) -> None:
    text = content(TEXT)
    assert read(text, 0, limit) == TEXT.splitlines()
    assert read(text, TEXT.index(b'{"n":50}'), limit) == TEXT.splitlines()[50:]


def test_head_length_window_and_what_is_before_are_of_the_text(content: Opener) -> None:
    text = content(TEXT * 200)
    size = len(TEXT) * 200
    assert (text.head(), text.length()) == ((TEXT * 200)[:WINDOW], size)
    for position in (0, 9, size):
        assert text.window(position) == (TEXT * 200)[max(0, position - WINDOW) : position]
        assert b"".join(text.before(position)) == (TEXT * 200)[:position]
    assert text.window(size + 1) is None


def test_the_first_line_is_the_first_that_is_not_blank(content: Opener) -> None:
    assert content(b"\n\n" + TEXT).first_line(to_end=False) == b'{"n":0}'


def test_of_a_line_that_is_too_long_the_beginning_is_handed_on(content: Opener) -> None:
    long = b'{"n":"' + b"x" * MESSAGE_BYTES + b'"}'
    found = read(content(long + b"\n" + TEXT), 0, 1 << 20)
    assert [len(line) for line in found[:2]] == [len(found[0]), 7]
    assert found[0] == long[: len(found[0])]
    assert MESSAGE_BYTES < len(found[0]) <= len(long)
    assert len(found) == 101


def test_a_last_line_without_end_counts_if_nothing_can_follow(content: Opener) -> None:
    assert read(content(TEXT + b'{"n":1}'), 0, 1 << 20)[-1] == b'{"n":1}'
    assert len(read(content(TEXT + b'{"n":'), 0, 1 << 20)) == 100


def test_a_text_that_ends_before_the_position_has_become_shorter(content: Opener) -> None:
    text = content(TEXT)
    with pytest.raises(SourceError, match="shorter"):
        text.cut(len(TEXT) + 9, 100, to_end=True)


def test_a_plain_file_with_other_bytes_before_the_position_was_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "in.ndjson"
    path.write_bytes(TEXT)
    text = opened(path)
    with pytest.raises(SourceError, match="rewritten"):
        text.cut(4, 100, to_end=True)
    text.close()


def test_a_plain_file_that_grows_has_something_unread(tmp_path: Path) -> None:
    path = tmp_path / "in.ndjson"
    path.write_bytes(TEXT)
    text = opened(path)
    assert text.unread(len(TEXT)) == 0
    with path.open("ab") as file:
        file.write(b"{}\n")
    assert text.unread(len(TEXT)) == 3
    text.close()


def test_another_file_under_the_name_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "in.ndjson"
    path.write_bytes(TEXT)
    ((place, (name, _)),) = find_inputs([str(path)]).items()
    (tmp_path / "other").write_bytes(TEXT)
    (tmp_path / "other").rename(path)
    assert open_content(name, place) is None
    path.unlink()
    assert open_content(name, place) is None
