"""A file is its content: the same source under every name, and another one where it differs."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from pipeline.errors import SourceError
from pipeline.io.files.framing import first_line
from pipeline.io.files.identity import WINDOW, old_app_id_of
from pipeline.io.files.tailing import SETTLE_SECONDS
from tests.unit.io.files.bench import KEY, Bench, lines_of, numbered

SIZES = [3, 40, 20_000]
"""Lines: shorter than a line's rung, than the window, and several windows long."""


def padded(first: int, stop: int, width: int = 60) -> bytes:
    """Lines of one length."""
    return b"".join(b'{"n":%0*d}\n' % (width, n) for n in range(first, stop))


@pytest.mark.parametrize("lines", SIZES)
def test_a_renamed_and_compressed_file_is_read_on_from_its_position(
    bench: Bench, lines: int
) -> None:
    path = bench.write("a.log", numbered(0, lines))
    assert len(bench.take(bench.reader())) == lines
    bench.append("a.log", numbered(lines, lines + 7))
    (bench.folder / "a.log.1.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    bench.write("a.log", numbered(90_000, 90_005))
    expected = numbered(lines, lines + 7) + numbered(90_000, 90_005)
    assert sorted(bench.take(bench.reader())) == sorted(lines_of(expected))


def test_logrotate_with_compress_in_a_tailed_folder_doubles_nothing(bench: Bench) -> None:
    bench.write("a.log", numbered(0, 100))
    reader = bench.reader(to_end=False)
    read = bench.take(reader)
    for turn in range(3):
        bench.append("a.log", numbered(100 * (turn + 1), 100 * (turn + 1) + 50))
        for old in sorted(bench.folder.glob("a.log.*.gz"), reverse=True):
            number = int(old.name.split(".")[2])
            old.rename(bench.folder / f"a.log.{number + 1}.gz")
        first = bench.folder / "a.log.1"
        (bench.folder / "a.log").rename(first)
        bench.write("a.log", numbered(100 * (turn + 1) + 50, 100 * (turn + 2)))
        bench.now += 16
        read += bench.take(reader)
        (bench.folder / "a.log.1.gz").write_bytes(gzip.compress(first.read_bytes()))
        bench.now += 1
        read += bench.take(reader)
        first.unlink()
        for _ in range(3):
            bench.now += SETTLE_SECONDS + 1
            read += bench.take(reader)
    bench.now += 16
    read += bench.take(reader)
    assert sorted(read) == sorted(lines_of(numbered(0, 400)))
    assert bench.take(bench.reader()) == []


@pytest.mark.parametrize("lines", SIZES)
def test_copytruncate_with_the_copy_in_the_folder(bench: Bench, lines: int) -> None:
    path = bench.write("a.log", numbered(0, lines))
    reader = bench.reader(to_end=False)
    read = bench.take(reader)
    bench.append("a.log", numbered(lines, lines + 20))
    shutil.copyfile(path, bench.folder / "a.log.1")
    with path.open("r+b") as file:
        file.truncate()
        file.write(numbered(80_000, 80_003))
    for _ in range(3):
        bench.now += 16
        read += bench.take(reader)
    expected = numbered(0, lines + 20) + numbered(80_000, 80_003)
    assert sorted(read) == sorted(lines_of(expected))
    assert bench.take(bench.reader()) == []


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("lines", SIZES)
def test_lines_of_equal_length_in_a_truncated_file_are_never_passed_over(
    bench: Bench, caplog: pytest.LogCaptureFixture, lines: int, running: bool
) -> None:
    path = bench.write("a.log", padded(0, lines))
    reader = bench.reader(to_end=False, slice_bytes=4 << 20)
    assert len(bench.take(reader)) == lines
    with path.open("r+b") as file:
        file.truncate()
        file.write(padded(500_000, 500_000 + 2 * lines))
    bench.now += 16
    if not running:
        reader.close()
        reader = bench.reader()
    read = bench.take(reader) + bench.take(reader)
    assert read == lines_of(padded(500_000, 500_000 + 2 * lines))
    assert "has other content than before" in caplog.text
    assert "000000" not in caplog.text


def test_a_file_that_is_rewritten_while_it_is_read_stops_the_run(bench: Bench) -> None:
    path = bench.write("a.log", padded(0, 1000))
    reader = bench.reader(slice_bytes=5000)
    taken = reader.poll(0)
    assert taken is not None
    bench.commit(reader, taken)
    with path.open("r+b") as file:
        file.truncate()
        file.write(padded(500_000, 503_000))
    with pytest.raises(SourceError, match="rewritten"):
        bench.take(reader)


@pytest.mark.parametrize("lines", [3, 50, 20_000])
def test_a_new_file_in_a_reused_inode_with_an_equal_first_line_is_read(
    bench: Bench, lines: int
) -> None:
    header = b'{"n":"the first line of every file, whatever may follow it"}\n'
    path = bench.write("a.log", header + padded(0, 50))
    assert len(bench.take(bench.reader())) == 51
    inode = path.stat().st_ino
    with path.open("r+b") as file:  # the same inode, as after delete and create
        file.truncate()
        file.write(header + padded(700_000, 700_000 + lines))
    assert path.stat().st_ino == inode
    assert bench.take(bench.reader()) == lines_of(header + padded(700_000, 700_000 + lines))


def test_equal_inodes_on_two_file_systems_are_two_files(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = bench.write("a.log", numbered(0, 1000))
    two = bench.write("b.log", numbered(1000, 2000))
    real_stat, real_fstat = Path.stat, os.fstat
    devices = {real_stat(one).st_ino: 1, real_stat(two).st_ino: 2}

    def moved(found: os.stat_result) -> os.stat_result:
        if found.st_ino not in devices:
            return found
        fields = list(found)
        fields[1:3] = [2, devices[found.st_ino]]
        return os.stat_result(fields, {"st_mtime_ns": found.st_mtime_ns})

    monkeypatch.setattr(Path, "stat", lambda path, **more: moved(real_stat(path, **more)))
    monkeypatch.setattr(os, "fstat", lambda handle: moved(real_fstat(handle)))
    reader = bench.reader()
    assert reader.lag() == len(numbered(0, 2000))
    assert sorted(bench.take(reader)) == sorted(lines_of(numbered(0, 2000)))


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_copied_folder_adds_nothing(bench: Bench, suffix: str) -> None:
    packs: dict[str, Callable[[bytes], bytes]] = {
        "": bytes,
        ".gz": gzip.compress,
        ".zst": zstandard.compress,
    }
    pack = packs[suffix]
    for n, lines in enumerate((1, 300, 20_000)):
        bench.write(f"{n}.log{suffix}", pack(numbered(n * 100_000, n * 100_000 + lines)))
    assert len(bench.take(bench.reader())) == 20_301
    copy = bench.folder.parent / "copy"
    shutil.copytree(bench.folder, copy)
    reader = bench.reader(str(bench.folder), str(copy))
    assert bench.take(reader) == []
    assert reader.at_end()
    (copy / "more.log").write_bytes(numbered(900_000, 900_003))
    assert len(bench.take(bench.reader(str(bench.folder), str(copy)))) == 3


def test_a_copy_of_a_file_that_was_never_read_is_read_once(bench: Bench) -> None:
    bench.write("a.log", numbered(0, 500))
    bench.write("b.log", numbered(0, 500))
    assert bench.take(bench.reader(slice_bytes=700)) == lines_of(numbered(0, 500))


def test_a_copy_under_way_is_left_alone(bench: Bench) -> None:
    content = numbered(0, 30_000)
    bench.write("a.log", content)
    reader = bench.reader(to_end=False)
    read = bench.take(reader)
    for size in (10, 500, 3000, 50_000, 100_000, len(content) - 4, len(content)):
        bench.write("a.log.1", content[:size])
        bench.now += 16
        read += bench.take(reader)
    assert read == lines_of(content)


def test_files_that_begin_alike_and_go_on_differently_are_two(bench: Bench) -> None:
    header = b'{"n":"the same in both"}\n'
    bench.write("a.log", header)
    bench.write("b.log", header)
    reader = bench.reader(to_end=False)
    read = bench.take(reader)
    for n in range(5):
        bench.append("a.log", padded(n, n + 1))
        bench.append("b.log", padded(1000 + n, 1001 + n))
        bench.now += 16
        read += bench.take(reader)
    bench.now += 16
    read += bench.take(reader)
    assert sorted(set(read)) == sorted({*lines_of(header + padded(0, 5) + padded(1000, 1005))})
    assert len(read) == 2 + 10
    assert bench.take(bench.reader()) == []


def test_many_files_with_one_header_are_all_read(bench: Bench) -> None:
    header = b'{"n":"the same in all"}\n'
    for n in range(1, 30):
        bench.write(f"{n}.log", header + padded(n * 100, n * 100 + n))
    expected = sum(1 + n for n in range(1, 30))
    assert len(bench.take(bench.reader())) == expected
    assert bench.take(bench.reader()) == []


def test_a_file_that_was_short_at_first_is_known_when_it_is_long(bench: Bench) -> None:
    content = numbered(0, 40_000)
    sizes = [8, 40, 300, 5000, 70_000, len(content)]
    read = []
    for size in sizes:
        bench.write("a.log", content[: content.rfind(b"\n", 0, size) + 1])
        read += bench.take(bench.reader())
    (bench.folder / "a.log").rename(bench.folder / "b.log")
    assert bench.take(bench.reader()) == []
    assert read == lines_of(content)


def test_a_change_before_the_position_stops_the_run(bench: Bench) -> None:
    content = bytearray(padded(0, 5000))
    path = bench.write("a.log", bytes(content))
    bench.take(bench.reader())
    content[-100:-90] = b"1111111111"
    path.write_bytes(bytes(content))
    with pytest.raises(SourceError, match="rewritten"):
        bench.take(bench.reader())


def test_a_restored_older_state_of_a_long_file_stops_the_run(bench: Bench) -> None:
    content = padded(0, 5000)
    bench.write("a.log", content)
    bench.take(bench.reader())
    (bench.folder / "a.log").unlink()
    bench.write("b.log", content[: len(content) // 2])
    assert len(content) // 2 > WINDOW
    with pytest.raises(SourceError, match="shorter"):
        bench.take(bench.reader())


def test_two_workers_that_meet_a_new_file_begin_it_once(bench: Bench) -> None:
    bench.write("a.log", numbered(0, 10))
    one, two = bench.reader(to_end=False), bench.reader(to_end=False)
    two._claims._folder = bench.folder.parent / "elsewhere"  # claims are only politeness
    two._claims._folder.mkdir()
    first = one.poll(0)
    bench.append("a.log", numbered(10, 2000))
    bench.now += 1
    second = two.poll(0)
    assert first is not None
    assert second is not None
    assert first.span.app_id != second.span.app_id
    bench.commit(one, first)
    begun = [mark for mark in second.span.marks if mark.app_id.endswith("/begun")]
    assert [bench.positions[mark.app_id] == mark.before for mark in begun] == [False]
    two.forget()
    bench.now += 16
    assert bench.take(two) == lines_of(numbered(10, 2000))


class TestFilesThat01Read:
    """The position of version 0.1 stands under a hash of inode and first line."""

    def known(self, bench: Bench, path: Path, position: int) -> None:
        line = first_line(path.read_bytes(), whole=True)
        assert line is not None
        bench.positions[old_app_id_of(KEY, path.stat().st_ino, line)] = position

    @pytest.mark.parametrize("lines", SIZES)
    def test_are_read_on(self, bench: Bench, lines: int) -> None:
        path = bench.write("a.log", numbered(0, lines + 5))
        self.known(bench, path, len(numbered(0, lines)))
        assert bench.take(bench.reader()) == lines_of(numbered(lines, lines + 5))
        assert bench.take(bench.reader()) == []

    def test_are_known_after_they_were_compressed(self, bench: Bench) -> None:
        path = bench.write("a.log", numbered(0, 500))
        self.known(bench, path, len(numbered(0, 500)))
        assert bench.take(bench.reader()) == []
        (bench.folder / "a.log.1.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        assert bench.take(bench.reader()) == []

    def test_are_taken_over_once(self, bench: Bench) -> None:
        path = bench.write("a.log", padded(0, 50))
        self.known(bench, path, len(padded(0, 50)))
        bench.take(bench.reader())
        header, rest = padded(0, 1), padded(900, 990)
        with path.open("r+b") as file:
            file.truncate()
            file.write(header + rest)
        assert bench.take(bench.reader()) == lines_of(header + rest)

    def test_that_were_compressed_are_read_on(self, bench: Bench) -> None:
        path = bench.write("a.log.gz", gzip.compress(numbered(0, 900)))
        line = first_line(numbered(0, 1), whole=True)
        assert line is not None
        bench.positions[old_app_id_of(KEY, path.stat().st_ino, line)] = len(numbered(0, 400))
        assert bench.take(bench.reader()) == lines_of(numbered(400, 900))
        assert bench.take(bench.reader()) == []

    def test_that_became_shorter_stop_the_run(self, bench: Bench) -> None:
        path = bench.write("a.log", numbered(0, 10))
        self.known(bench, path, 5000)
        with pytest.raises(SourceError, match="shorter"):
            bench.take(bench.reader())


def test_an_archive_cut_inside_a_line_is_one_event_when_it_has_grown(bench: Bench) -> None:
    content = numbered(0, 100) + b'{"n":"a longer last line"}\n'
    bench.write("a.log.gz", gzip.compress(content[:-10]))
    assert bench.take(bench.reader()) == lines_of(numbered(0, 100))
    bench.append("a.log.gz", gzip.compress(content[-10:]))
    assert bench.take(bench.reader()) == [b'{"n":"a longer last line"}']


def test_an_archive_that_grows_while_it_is_followed_is_read_on(bench: Bench) -> None:
    content = numbered(0, 100) + b'{"n":"a longer last line"}\n'
    bench.write("a.log.gz", gzip.compress(content[:-10]))
    reader = bench.reader(to_end=False)
    read = []
    for _ in range(3):
        bench.now += SETTLE_SECONDS + 1
        read += bench.take(reader)
    bench.append("a.log.gz", gzip.compress(content[-10:]))
    for _ in range(3):
        bench.now += SETTLE_SECONDS + 1
        read += bench.take(reader)
    assert read == lines_of(content)


def test_ten_thousand_known_files_are_looked_at_by_stat_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(400):
        bench.write(f"{n}.log", numbered(n * 10, n * 10 + 3))
    reader = bench.reader(to_end=False)
    assert len(bench.take(reader)) == 1200
    bench.now += 100
    bench.take(reader)
    asked, reads = len(bench.asked), list[int]()
    real = os.pread

    def counted(handle: int, size: int, offset: int) -> bytes:
        reads.append(offset)
        return real(handle, size, offset)

    monkeypatch.setattr(os, "pread", counted)
    for _ in range(20):
        bench.now += 1
        assert bench.take(reader) == []
    assert len(bench.asked) == asked
    assert reads == []
