"""A list that was emptied, cut, replaced or removed is told from one that was never created."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.io.disk.append_log import AppendFile, ReadMark
from pipeline.io.disk.line_chain import NO_LINES, chained, size_of
from pipeline.io.disk.list_marker import FileGone
from pipeline.io.disk.private import write_private

LINES = ["one", "two", "three"]


@dataclass
class Noted:
    """A register in memory."""

    begun: bool = False

    def known(self) -> bool:
        return self.begun

    def note(self) -> None:
        self.begun = True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list"


@pytest.fixture
def register() -> Noted:
    return Noted()


def add(path: Path, register: Noted | None, *lines: str) -> None:
    file = AppendFile(path, register)
    with file.exclusive():
        file.append(lines)


def read(path: Path, register: Noted | None = None) -> list[str]:
    return [line.decode() for line in AppendFile(path, register).read().lines]


def marker(path: Path) -> Path:
    return path.with_name(f".{path.name}.created")


def test_a_file_tells_how_often_it_was_written(path: Path) -> None:
    file = AppendFile(path)
    assert file.generation() is None
    with file.exclusive():
        file.append(["one"])
        first = file.generation()
        file.append(["two"])
        second = file.generation()
        file.replace([b"one"])
    assert first is not None and second is not None
    assert first < second < (file.generation() or 0)
    marker(path).write_bytes(b"[]")
    assert file.generation() is None


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: -len("three\n")])


def cut_in_a_line(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def replaced(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"two", b"six"))


def reordered(path: Path) -> None:
    path.write_bytes(b"two\none\nthree\n")


def prefixed(path: Path) -> None:
    path.write_bytes(b"zero\n" + path.read_bytes())


def deleted(path: Path) -> None:
    path.unlink()


def both_deleted(path: Path) -> None:
    path.unlink()
    marker(path).unlink()


def marker_deleted_and_emptied(path: Path) -> None:
    marker(path).unlink()
    emptied(path)


def marker_emptied_and_cut(path: Path) -> None:
    marker(path).write_bytes(b"")
    cut(path)


def marker_damaged(path: Path) -> None:
    marker(path).write_text("[1]")


HARM = [
    emptied,
    cut,
    cut_in_a_line,
    replaced,
    reordered,
    prefixed,
    deleted,
    both_deleted,
    marker_deleted_and_emptied,
    marker_emptied_and_cut,
    marker_damaged,
]


@pytest.mark.parametrize("harm", HARM)
def test_a_list_that_is_not_what_was_written_is_not_read(
    path: Path, register: Noted, harm: Callable[[Path], None]
) -> None:
    add(path, register, *LINES)
    assert read(path, register) == LINES
    harm(path)
    with pytest.raises(FileGone):
        read(path, register)


@pytest.mark.parametrize("harm", HARM)
def test_a_list_that_is_not_what_was_written_is_accepted_on_purpose_only(
    path: Path, register: Noted, harm: Callable[[Path], None]
) -> None:
    add(path, register, *LINES)
    harm(path)
    file = AppendFile(path, register)
    lines = file.accept()
    assert len(read(path, register)) == lines
    add(path, register, "four")
    assert read(path, register)[lines:] == ["four"]


@pytest.mark.parametrize("harm", [emptied, cut, deleted, both_deleted])
def test_nothing_is_added_to_a_list_that_became_shorter(
    path: Path, register: Noted, harm: Callable[[Path], None]
) -> None:
    add(path, register, *LINES)
    harm(path)
    with pytest.raises(FileGone):
        add(path, register, "four")


def test_what_is_added_to_a_replaced_list_does_not_vouch_for_it(
    path: Path, register: Noted
) -> None:
    add(path, register, *LINES)
    replaced(path)
    add(path, register, "four")
    with pytest.raises(FileGone):
        read(path, register)


def test_a_list_that_was_never_created_is_empty(path: Path, register: Noted) -> None:
    assert read(path, register) == []


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
def test_a_crash_at_any_write_leaves_a_list_that_is_read(
    path: Path, register: Noted, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each durable write of a first append, a second one and a replacement is the last one."""
    left = steps

    def dies(target: Path, content: bytes) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        write_private(target, content)

    for module in ("append_log", "list_marker"):
        monkeypatch.setattr(f"pipeline.io.disk.{module}.write_private", dies)
    file = AppendFile(path, register)
    with pytest.raises(KeyboardInterrupt), file.exclusive():
        file.append(["one"])
        file.append(["two"])
        file.replace([b"   ", b"two"])
    monkeypatch.undo()
    assert read(path, register) in ([], ["one"], ["one", "two"], ["   ", "two"])
    before = read(path, register)
    add(path, register, "more")
    assert read(path, register) == [*before, "more"]


def test_a_reader_goes_on_from_its_mark(path: Path, register: Noted) -> None:
    add(path, register, "one")
    first = AppendFile(path, register).read()
    add(path, register, "two")
    second = AppendFile(path, register).read(first.mark)
    assert (list(second.lines), second.restarted) == ([b"two"], False)
    assert second.mark.chain == AppendFile(path, register).read(ReadMark()).mark.chain


def test_a_list_of_the_first_version_is_read_and_then_marked(path: Path, register: Noted) -> None:
    path.write_text("one\ntwo\n")
    marker(path).write_bytes(b"")
    assert read(path, register) == ["one", "two"]
    AppendFile(path, register).vouch_if_old()
    assert register.begun
    cut_first = path.read_bytes()[:4]
    path.write_bytes(cut_first)
    with pytest.raises(FileGone):
        read(path, register)


@pytest.mark.parametrize("content", [b"{", b'{"states": [[8, "00"]]}', b"[]"])
def test_a_marker_that_cannot_be_read_is_left_for_whoever_reads_the_list(
    path: Path, register: Noted, content: bytes
) -> None:
    path.write_text("one\ntwo\n")
    marker(path).write_bytes(content)
    AppendFile(path, register).vouch_if_old()
    assert marker(path).read_bytes() == content
    with pytest.raises(FileGone):
        read(path, register)


def _appender(path: Path, name: str) -> None:
    file = AppendFile(path, Noted())
    for number in range(40):
        with file.exclusive():
            if number % 10 == 9:
                file.replace([line.upper() for line in file.read().lines])
            else:
                file.append([f"{name}-{number}"])


def test_a_reader_beside_writers_never_takes_the_list_for_changed(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_appender, args=(path, name)) for name in "ab"]
    for writer in writers:
        writer.start()
    register = Noted(begun=False)
    mark, seen = ReadMark(), 0
    while any(writer.is_alive() for writer in writers):
        growth = AppendFile(path, register).read(mark)
        seen = len(growth.lines) if growth.restarted else seen + len(growth.lines)
        mark = growth.mark
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert len(read(path)) == 72


def ends(path: Path, *lines: str) -> ReadMark | None:
    """Where somebody stands who knows these lines, if the file vouches for them."""
    encoded = [line.encode() for line in lines]
    return AppendFile(path).resume(size_of(encoded), len(lines), chained(NO_LINES, encoded))


def test_whoever_knows_the_first_lines_goes_on_from_there(path: Path) -> None:
    add(path, None, *LINES[:2])
    add(path, None, LINES[2])
    for count in range(4):
        mark = ends(path, *LINES[:count])
        assert mark is not None
        growth = AppendFile(path).read(mark)
        assert [line.decode() for line in growth.lines] == LINES[count:]
    assert ends(path, "another") is None
    assert ends(path, *LINES, "four") is None


def test_nobody_goes_on_in_a_file_that_others_have_written_to(path: Path) -> None:
    """Not even after we have added to it: that does not vouch for what was there."""
    add(path, None, *LINES)
    path.write_bytes(path.read_bytes().replace(b"one", b"ONE"))
    assert ends(path, *LINES) is None
    add(path, None, "four")
    assert ends(path, *LINES, "four") is None


def test_a_file_that_was_found_whole_again_is_gone_on_in(path: Path) -> None:
    add(path, None, *LINES)
    path.write_bytes(path.read_bytes())
    assert ends(path, *LINES) is None
    file = AppendFile(path)
    with file.exclusive():
        generation = file.generation()
        file.note_whole(file.read().mark)
    assert ends(path, *LINES) is not None
    assert file.generation() == generation


def test_a_file_is_rewritten_block_by_block(path: Path) -> None:
    add(path, None, *LINES)
    file = AppendFile(path)
    with file.exclusive():
        chain = file.rewrite(lambda block: block.replace(b"two", b"   "), len(b"one\ntwo\n"))
    assert read(path) == ["one", "   ", "three"]
    assert chain == chained(NO_LINES, [b"one", b"   "])
    assert ends(path, "one", "   ") is not None


def test_a_file_that_is_not_what_was_written_is_not_rewritten(path: Path) -> None:
    add(path, None, *LINES)
    replaced(path)
    content = path.read_bytes()
    file = AppendFile(path)
    with file.exclusive(), pytest.raises(FileGone):
        file.rewrite(lambda block: block)
    assert path.read_bytes() == content
    with pytest.raises(FileGone):
        read(path)
