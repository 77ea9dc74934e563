"""Files are read once, whatever happens to them between two looks."""

from __future__ import annotations

import gzip
import json
import os
import pickle

import pytest
import zstandard

from pipeline.errors import EnvironmentProblem, SourceError
from pipeline.io.files.framing import MESSAGE_BYTES
from pipeline.io.files.open_file import PackedContent
from pipeline.io.files.source import FileSource
from pipeline.io.files.tailing import MAX_OPEN, ROTATION_GRACE_SECONDS, SETTLE_SECONDS
from tests.unit.io.files.bench import Bench, key, lines_of, messages, numbered


def test_a_file_is_read_to_its_end(bench: Bench) -> None:
    bench.write("a.ndjson", numbered(0, 1000))
    reader = bench.reader()
    assert bench.take(reader) == lines_of(numbered(0, 1000))
    assert reader.at_end()
    assert reader.lag() == 0


def test_slices_follow_each_other_and_keep_to_the_limit(bench: Bench) -> None:
    content = numbered(0, 1000)
    bench.write("a.ndjson", content)
    reader = bench.reader(slice_bytes=500)
    position, read = 0, []
    while (taken := reader.poll(0)) is not None:
        assert taken.span.start == position
        assert len(taken.data) <= 500
        assert taken.data == content[taken.span.start : taken.span.stop]
        assert (taken.offsets == taken.starts + position).all()
        position = taken.span.stop
        read += messages(taken)
        bench.commit(reader, taken)
    assert read == lines_of(content)
    assert position == len(content)


def test_blank_lines_are_passed_over_and_carriage_returns_stay(bench: Bench) -> None:
    bench.write("a.ndjson", b'\n{"n":1}\r\n\r\n\n{"n":2}\n\n')
    reader = bench.reader()
    taken = reader.poll(0)
    assert taken is not None
    assert messages(taken) == [b'{"n":1}\r', b'{"n":2}']
    assert taken.offsets.tolist() == [1, 13]
    assert taken.span.stop == 22


def test_a_slice_of_blank_lines_moves_the_position(bench: Bench) -> None:
    bench.write("a.ndjson", b'{"n":1}\n' + b"\n" * 100)
    reader = bench.reader(slice_bytes=20)
    assert bench.take(reader) == [b'{"n":1}']
    assert bench.stands() == [108]


def test_a_restart_goes_on_where_the_lake_is(bench: Bench) -> None:
    bench.write("a.ndjson", numbered(0, 100))
    first = bench.reader(slice_bytes=300)
    taken = first.poll(0)
    assert taken is not None
    bench.commit(first, taken)
    assert first.poll(0) is not None  # cut, and never committed
    first.close()
    assert messages(taken) + bench.take(bench.reader()) == lines_of(numbered(0, 100))


def test_forget_starts_again_from_the_lake(bench: Bench) -> None:
    content = numbered(0, 100)
    bench.write("a.ndjson", content)
    reader = bench.reader()
    taken = reader.poll(0)
    assert taken is not None
    other = bench.reader(slice_bytes=8)
    reader.close()
    first = other.poll(0)  # somebody else commits the first line
    assert first is not None
    bench.commit(other, first)
    other.close()
    reader = bench.reader()
    reader.forget()
    assert bench.take(reader) == lines_of(content)[1:]


def test_a_line_without_end_waits_for_it(bench: Bench) -> None:
    bench.write("a.ndjson", b'{"n":1}\n{"n":')
    reader = bench.reader(to_end=False)
    assert bench.take(reader) == [b'{"n":1}']
    bench.append("a.ndjson", b"2}\n")
    assert bench.take(reader) == []
    bench.now += 16
    assert bench.take(reader) == [b'{"n":2}']


@pytest.mark.parametrize(
    ("tail", "read"),
    [(b'{"n":2}', True), (b'{"n":2', False), (b"[1]", False), (b"12", False), (b"\xff{", False)],
)
def test_at_the_end_an_unended_line_counts_if_it_is_a_whole_object(
    bench: Bench, tail: bytes, read: bool
) -> None:
    bench.write("a.ndjson", b'{"n":1}\n' + tail)
    reader = bench.reader()
    assert bench.take(reader) == [b'{"n":1}'] + [tail] * read
    assert reader.at_end()
    assert reader.lag() == (0 if read else len(tail))


def test_an_unended_whole_object_is_not_read_twice_when_it_gets_its_end(bench: Bench) -> None:
    bench.write("a.ndjson", b'{"n":1}')
    assert bench.take(bench.reader()) == [b'{"n":1}']
    bench.append("a.ndjson", b'\n{"n":2}\n')
    assert bench.take(bench.reader()) == [b'{"n":2}']


def test_a_renamed_file_keeps_its_position(bench: Bench) -> None:
    path = bench.write("a.ndjson", numbered(0, 10))
    reader = bench.reader(to_end=False)
    assert bench.take(reader) == lines_of(numbered(0, 10))
    bench.append("a.ndjson", numbered(10, 12))
    path.rename(bench.folder / "a.ndjson.1")
    bench.write("a.ndjson", numbered(50, 55))
    bench.now += 16
    assert sorted(bench.take(reader)) == sorted(lines_of(numbered(10, 12) + numbered(50, 55)))
    assert bench.take(bench.reader()) == []


def test_a_file_renamed_out_of_sight_is_read_to_its_end(bench: Bench) -> None:
    path = bench.write("a.ndjson", numbered(0, 10))
    reader = bench.reader(str(path), to_end=False)
    assert bench.take(reader) == lines_of(numbered(0, 10))
    path.rename(bench.folder.parent / "gone.ndjson")
    bench.now += 1
    assert bench.take(reader) == []
    with (bench.folder.parent / "gone.ndjson").open("ab") as file:
        file.write(numbered(10, 20))  # the writer has not noticed yet
    bench.now += 16
    assert bench.take(reader) == lines_of(numbered(10, 20))
    bench.now += ROTATION_GRACE_SECONDS + 1
    assert bench.take(reader) == []
    assert reader.lag() == 0


def test_new_files_of_a_folder_are_picked_up(bench: Bench) -> None:
    reader = bench.reader(to_end=False)
    assert bench.take(reader) == []
    bench.write("b.ndjson", numbered(0, 3))
    bench.now += 1
    assert bench.take(reader) == lines_of(numbered(0, 3))


def test_hidden_and_temporary_files_are_passed_over(bench: Bench) -> None:
    for name in (".hidden", "a.tmp", "a.part", "a.ndjson~", "b.swp"):
        bench.write(name, numbered(0, 1))
    (bench.folder / "sub").mkdir()
    (bench.folder / "sub" / "c.ndjson").write_bytes(numbered(1, 2))
    bench.write("a.ndjson", numbered(5, 6))
    assert bench.take(bench.reader()) == lines_of(numbered(5, 6))


def test_patterns_reach_into_folders(bench: Bench) -> None:
    (bench.folder / "sub").mkdir()
    (bench.folder / "sub" / "c.ndjson").write_bytes(numbered(1, 2))
    bench.write("a.ndjson", numbered(5, 6))
    read = bench.take(bench.reader(f"{bench.folder}/**/*.ndjson"))
    assert sorted(read) == sorted(lines_of(numbered(5, 6) + numbered(1, 2)))


def test_a_file_reached_twice_is_read_once(bench: Bench) -> None:
    path = bench.write("a.ndjson", numbered(0, 5))
    os.link(path, bench.folder / "b.ndjson")
    reader = bench.reader(str(bench.folder), str(path), f"{bench.folder}/*.ndjson")
    assert bench.take(reader) == lines_of(numbered(0, 5))


def test_a_new_file_in_a_reused_inode_is_another_file(bench: Bench) -> None:
    path = bench.write("a.ndjson", numbered(0, 5))
    assert len(bench.take(bench.reader())) == 5
    inode = path.stat().st_ino
    path.write_bytes(numbered(100, 200))  # same inode, as after delete and create
    assert path.stat().st_ino == inode
    assert bench.take(bench.reader()) == lines_of(numbered(100, 200))


def test_a_shrunk_file_stops_the_run(bench: Bench) -> None:
    path = bench.write("a.ndjson", numbered(0, 50))
    reader = bench.reader(to_end=False)
    bench.take(reader)
    reader.close()
    os.truncate(path, 80)
    reader = bench.reader()
    with pytest.raises(SourceError, match="shorter") as caught:
        bench.take(reader)
    assert str(path) in str(caught.value)
    assert '{"n"' not in str(caught.value)


def test_a_file_truncated_under_an_open_reader_stops_the_run(bench: Bench) -> None:
    path = bench.write("a.ndjson", numbered(0, 50))
    reader = bench.reader(to_end=False)
    bench.take(reader)
    path.write_bytes(b"")
    bench.now += 16
    with pytest.raises(SourceError, match="shorter"):
        bench.take(reader)


def test_a_file_rewritten_in_place_stops_the_run(bench: Bench) -> None:
    path = bench.write("a.ndjson", numbered(0, 50))
    bench.take(bench.reader())
    path.write_bytes(numbered(0, 40) + b"x" * 5000)
    with pytest.raises(SourceError, match="rewritten"):
        bench.take(bench.reader())


def test_a_long_line_is_handed_on_shortened_and_passed_over(bench: Bench) -> None:
    long = b"x" * (3 << 20)
    bench.write("a.ndjson", b'{"n":1}\n' + long + b'\n{"n":2}\n')
    reader = bench.reader(slice_bytes=1 << 20)
    read = bench.take(reader)
    assert [len(line) for line in read] == [7, MESSAGE_BYTES + 1, 7]
    assert reader.at_end()


def test_a_long_line_without_end_is_no_message_yet(bench: Bench) -> None:
    bench.write("a.ndjson", b'{"n":1}\n' + b"x" * (3 << 20))
    reader = bench.reader(to_end=False, slice_bytes=1 << 20)
    assert bench.take(reader) == [b'{"n":1}']
    for _ in range(3):
        bench.append("a.ndjson", b"x" * 1000)
        bench.now += 16
        assert bench.take(reader) == []
    bench.append("a.ndjson", b'\n{"n":2}\n')
    bench.now += 16
    assert [len(line) for line in bench.take(reader)] == [MESSAGE_BYTES + 1]
    bench.now += 16
    assert bench.take(reader) == [b'{"n":2}']


def test_small_amounts_wait_for_the_flush_interval(bench: Bench) -> None:
    bench.write("a.ndjson", numbered(0, 1))
    reader = bench.reader(to_end=False, slice_bytes=1000, flush=15.0)
    assert len(bench.take(reader)) == 1
    bench.append("a.ndjson", numbered(1, 10))
    bench.now += 14
    assert bench.take(reader) == []
    bench.now += 1
    assert len(bench.take(reader)) == 9
    bench.append("a.ndjson", numbered(10, 500))
    bench.now += 1
    assert len(bench.take(reader)) > 100
    assert 0 < reader.lag() < 1000


def test_flush_makes_everything_due(bench: Bench) -> None:
    bench.write("a.ndjson", numbered(0, 1))
    reader = bench.reader(to_end=False)
    bench.take(reader)
    bench.append("a.ndjson", numbered(1, 10))
    reader.flush()
    assert len(bench.take(reader)) == 9


@pytest.mark.parametrize(("end", "pack"), [(".gz", gzip.compress), (".zst", zstandard.compress)])
def test_compressed_files_are_read_whole(bench: Bench, end: str, pack: object) -> None:
    content = numbered(0, 3000) + b'{"n":"last"}'
    assert callable(pack)
    bench.write("a.ndjson" + end, pack(content[:777]) + pack(content[777:]))
    reader = bench.reader(slice_bytes=5000)
    first = reader.poll(0)
    assert first is not None
    assert len(first.data) <= 5000
    bench.commit(reader, first)
    reader.close()
    rest = bench.reader(slice_bytes=5000)
    assert messages(first) + bench.take(rest) == lines_of(content)
    assert rest.at_end()
    assert rest.lag() == 0
    assert bench.take(bench.reader()) == []


def test_an_archive_that_was_read_is_not_unpacked_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bench.write("a.ndjson.gz", gzip.compress(numbered(0, 3000)))
    assert len(bench.take(bench.reader())) == 3000
    steps: list[int] = []
    monkeypatch.setattr(PackedContent, "cut", lambda *args, **more: steps.append(1))
    again = bench.reader()
    assert bench.take(again) == []
    assert again.at_end()
    assert steps == []
    path.write_bytes(gzip.compress(numbered(0, 4000)))
    assert bench.take(bench.reader()) == []
    assert steps == [1]


def test_a_bomb_is_unpacked_in_steps(bench: Bench) -> None:
    bench.write("a.ndjson.gz", gzip.compress(b"0" * (64 << 20) + b'\n{"n":1}\n'))
    reader = bench.reader(slice_bytes=1 << 20)
    assert [len(line) for line in bench.take(reader)] == [MESSAGE_BYTES + 1, 7]


@pytest.mark.parametrize("damage", ["short", "flipped", "not packed at all", "tail"])
def test_a_damaged_archive_stops_after_its_whole_lines(bench: Bench, damage: str) -> None:
    noise = json.dumps(os.urandom(400_000).hex()).encode()  # does not pack well
    packed = gzip.compress(numbered(0, 200_000) + noise + b"\n")
    broken = {
        "short": packed[:-300],
        "flipped": packed[:-5000] + b"\0" * 64 + packed[-4936:],
        "not packed at all": b'{"n":1}\n',
        "tail": packed + b"garbage",
    }[damage]
    path = bench.write("a.ndjson.gz", broken)
    with pytest.raises(SourceError, match="archive") as caught:
        bench.take(bench.reader(slice_bytes=1 << 16))
    assert str(path) in str(caught.value)
    position = max(bench.stands(), default=0)
    assert position == 0 or numbered(0, 200_000)[position - 1 : position] in (b"\n", b"")


def test_a_growing_archive_is_left_until_it_stands_still(bench: Bench) -> None:
    packed = gzip.compress(numbered(0, 100_000))
    bench.write("a.ndjson.gz", packed[:70_000])
    reader = bench.reader(to_end=False)
    assert bench.take(reader) == []
    bench.now += 1
    bench.append("a.ndjson.gz", packed[70_000:])
    assert bench.take(reader) == []
    bench.now += SETTLE_SECONDS + 1
    assert bench.take(reader) == []
    bench.now += SETTLE_SECONDS + 1
    assert len(bench.take(reader)) == 100_000


def test_a_claimed_file_is_left_to_its_worker_and_taken_over_later(bench: Bench) -> None:
    bench.write("a.ndjson", numbered(0, 100))
    bench.write("b.ndjson", numbered(200, 300))
    one, two = bench.reader(slice_bytes=500), bench.reader(slice_bytes=500)
    first, second = one.poll(0), two.poll(0)
    assert first is not None
    assert second is not None
    assert first.span.topic != second.span.topic
    bench.commit(two, second)
    read = messages(first) + messages(second)
    bench.commit(one, first)
    one.close()
    assert not two.at_end()
    assert sorted(read + bench.take(two)) == sorted(lines_of(numbered(0, 100) + numbered(200, 300)))
    assert two.at_end()


def test_a_worker_stays_until_the_others_files_are_done(bench: Bench) -> None:
    bench.write("a.ndjson", numbered(0, 100))
    one, two = bench.reader(), bench.reader()
    taken = one.poll(0)
    assert taken is not None
    assert two.poll(0) is None
    assert not two.at_end()
    bench.commit(one, taken)
    assert two.poll(0) is None
    assert two.at_end()


def test_more_files_than_may_be_open(bench: Bench) -> None:
    count = MAX_OPEN + 20
    for n in range(count):
        bench.write(f"{n}.ndjson", numbered(n * 10, n * 10 + 10))
    reader = bench.reader(to_end=False)
    assert sorted(bench.take(reader)) == sorted(lines_of(numbered(0, count * 10)))
    bench.append("7.ndjson", numbered(5000, 5001))
    bench.now += 16
    assert bench.take(reader) == lines_of(numbered(5000, 5001))


def test_binary_content_is_handed_on_as_lines(bench: Bench) -> None:
    noise = os.urandom(300_000)
    bench.write("a.ndjson", noise + b"\n")
    read = bench.take(bench.reader(slice_bytes=1 << 16))
    expected = [line for line in (noise + b"\n").split(b"\n") if line not in (b"", b"\r")]
    assert read == expected


def test_a_missing_input_is_named(bench: Bench) -> None:
    with pytest.raises(EnvironmentProblem, match="not found") as caught:
        bench.reader(str(bench.folder / "nothing.ndjson"))
    assert caught.value.where.endswith("nothing.ndjson")


@pytest.mark.usefixtures("heeds_permissions")
def test_an_unreadable_input_is_named(bench: Bench) -> None:
    path = bench.write("a.ndjson", numbered(0, 1))
    path.chmod(0)
    with pytest.raises(EnvironmentProblem, match="read"):
        bench.reader()


def test_something_that_is_no_file_is_refused(bench: Bench) -> None:
    with pytest.raises(EnvironmentProblem, match="neither"):
        bench.reader("/dev/null")


def test_an_empty_folder_is_at_its_end(bench: Bench) -> None:
    reader = bench.reader()
    assert reader.poll(0) is None
    assert reader.at_end()


def test_positions_are_asked_once_for_a_file_that_stays_in_hand(bench: Bench) -> None:
    bench.write("a.ndjson", numbered(0, 1000))
    bench.take(bench.reader(slice_bytes=500))
    assert len(bench.asked) == len(set(bench.asked)) == 6


def test_a_file_that_is_new_and_small_costs_one_question(bench: Bench) -> None:
    bench.write("a.ndjson", numbered(0, 100))
    bench.take(bench.reader())
    assert len(bench.asked) == 5


def test_the_source_can_travel(bench: Bench) -> None:
    source = FileSource("logs", "session", ("x",), bench.folder, key)
    assert pickle.loads(pickle.dumps(source)) == source


def test_a_slice_carries_the_header_line_before_it(bench: Bench) -> None:
    """`#Fields:` of a W3C log says how later lines are read, in whichever slice they come."""
    bench.write("u_ex.log", b"#Fields: a\n" + b"1\n" * 30 + b"#Fields: b\n" + b"2\n" * 30)
    found = []
    reader = bench.reader(slice_bytes=20, header=b"#Fields:")
    for _ in range(3):
        taken = reader.poll(0)
        assert taken is not None
        bench.commit(reader, taken)
        found.append(taken.header)
    reader.close()
    reader = bench.reader(slice_bytes=20, header=b"#Fields:")  # a restart
    while (taken := reader.poll(0)) is not None:
        found.append(taken.header)
        bench.commit(reader, taken)
    assert list(dict.fromkeys(found)) == [b"", b"#Fields: a", b"#Fields: b"]
    assert found[3] == b"#Fields: a"


def test_a_slice_carries_no_header_where_nobody_asks(bench: Bench) -> None:
    bench.write("a.ndjson", b"#Fields: a\n1\n")
    taken = bench.reader().poll(0)
    assert taken is not None
    assert taken.header is None


def test_a_source_is_known_by_any_of_its_files(bench: Bench) -> None:
    bench.write("new.ndjson", b"junk\n")
    bench.write("read.ndjson", numbered(0, 10))
    assert not bench.reader().is_known()
    bench.take(bench.reader(str(bench.folder / "read.ndjson")))
    assert bench.reader().is_known()
    assert not bench.reader(str(bench.folder / "new.ndjson")).is_known()


def test_a_source_is_known_by_the_name_of_a_file_that_is_gone(bench: Bench) -> None:
    path = bench.write("access.log", numbered(0, 10))
    bench.take(bench.reader(str(path)))
    path.unlink()
    bench.write("access.log", b"junk\n")
    assert bench.reader(str(path)).is_known()
