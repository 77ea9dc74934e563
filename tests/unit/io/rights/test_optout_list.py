"""The opt-out list holds tokens only, survives crashes, and stops the pipeline when in doubt."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem, OptOutStale, UsageError
from pipeline.io.rights.optout_list import OptOutFile
from pipeline.io.standings import follower
from pipeline.io.standings.entries import (
    erased,
    forgotten,
    opted_in,
    opted_out,
    released,
    restricted,
    to_micros,
)
from pipeline.privacy.identity.tokens import Domain, token
from pipeline.privacy.optout import Standing

KEY = bytes(range(32))
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture(params=["line by line", "from a snapshot"])
def path(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "from a snapshot":
        monkeypatch.setattr(follower, "TAIL", 0)
    return tmp_path / "state" / "optout.ndjson"


def opened(path: Path) -> OptOutFile:
    return OptOutFile(path, KEY)


def is_out(source: OptOutFile, *ids: str, at: datetime = LATER) -> list[bool]:
    return [standing.opted_out_at(to_micros(at)) for standing in source.check(list(ids))]


def test_a_list_that_was_never_created_is_empty(path: Path) -> None:
    source = opened(path)
    assert source.load().standings == {}
    assert source.refresh(NOW).standings == {}
    assert source.check(["a"]) == [Standing()]
    assert not path.parent.exists()


def test_the_file_holds_tokens_and_no_account_id(path: Path) -> None:
    ids = ["acct_alice", "alice@example.com", "  spaces ", "Ä"]
    assert opened(path).add(ids, NOW) == 4
    everything = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert not any(name.encode() in everything for name in ids)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["token"] for line in lines] == [token(KEY, Domain.OPTOUT, name) for name in ids]
    assert lines[0]["intervals"] == [["2026-11-24T12:00:00.000000Z", None]]
    assert path.stat().st_mode & 0o777 == 0o600


def test_adding_and_removing_is_counted_and_safe_to_repeat(path: Path) -> None:
    source = opened(path)
    assert source.add(["a", "b", "a"], NOW) == 2
    assert source.add(["a", "c"], LATER) == 1
    assert source.remove(["a", "z"], LATER) == 1
    assert source.remove(["a"], LATER) == 0
    assert is_out(source, "a", "b", "c", "z") == [False, True, True, False]
    (standing,) = source.check(["a"])
    assert standing.intervals == ((to_micros(NOW), to_micros(LATER)),)


def test_opting_out_again_keeps_the_earlier_interval(path: Path) -> None:
    source = opened(path)
    source.add(["a"], NOW)
    source.remove(["a"], NOW + timedelta(hours=1))
    source.add(["a"], NOW + timedelta(hours=2))
    (standing,) = opened(path).check(["a"])
    hours = [to_micros(NOW + timedelta(hours=n)) for n in range(3)]
    assert standing.intervals == ((hours[0], hours[1]), (hours[2], None))


def test_identifiers_that_cannot_be_accounts_are_refused_whole(path: Path) -> None:
    source = opened(path)
    for bad in ("", "x" * 257, "\ud800"):
        with pytest.raises(UsageError) as caught:
            source.add(["fine", bad], NOW)
        assert "xxx" not in str(caught.value)
    assert source.check(["fine"]) == [Standing()]


def test_other_processes_see_a_change_at_their_next_refresh(path: Path) -> None:
    reader, writer = opened(path), opened(path)
    state = reader.load()
    assert reader.refresh(NOW) is state
    writer.add(["a"], NOW)
    changed = reader.refresh(LATER)
    assert list(changed.standings) == reader.tokens(["a"])
    assert state.standings == {}
    assert reader.refresh(LATER) is changed
    assert reader.checked_at == LATER


def test_rights_requests_change_the_same_list(path: Path) -> None:
    source = opened(path)
    (mine,) = source.tokens(["a"])
    at = to_micros(NOW)
    assert source.change([mine], restricted, NOW) == 1
    assert source.change([mine], erased, NOW) == 1
    assert source.change([mine], erased, LATER) == 0
    assert opened(path).check(["a"]) == [Standing(erased_at=at, restricted=at)]
    assert source.change([mine], released, LATER) == 1
    assert opened(path).check(["a"]) == [Standing(erased_at=at)]


def test_changes_are_pure_and_idempotent() -> None:
    out = opted_out(Standing(), 5)
    assert opted_out(out, 9) is out
    assert opted_in(out, 9).intervals == ((5, 9),)
    assert opted_in(Standing(), 9) == Standing()
    assert opted_in(out, 3).intervals == ((5, 5),)


def test_a_torn_last_line_is_passed_over_and_healed(path: Path) -> None:
    reader, writer = opened(path), opened(path)
    writer.add(["a"], NOW)
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"token":"00112233')
    assert len(reader.load().standings) == 1
    assert writer.add(["b"], LATER) == 1
    assert path.read_bytes().startswith(whole)
    assert path.read_bytes().count(b"\n") == 2
    assert len(reader.refresh(LATER).standings) == 2
    assert is_out(opened(path), "a", "b") == [True, True]


def test_every_possible_tear_of_the_last_line_is_healed(path: Path) -> None:
    opened(path).add(["a"], NOW)
    first = path.read_bytes()
    marker = path.with_name(f".{path.name}.created")
    marked = marker.read_bytes()
    opened(path).add(["b"], NOW)
    second = path.read_bytes()[len(first) :]
    for length in range(0, len(second), 7):
        path.write_bytes(first + second[:length])
        marker.write_bytes(marked)
        assert is_out(opened(path), "a", "b") == [True, False]
        opened(path).add(["b"], NOW)
        assert path.read_bytes() == first + second


def entry(**changes: object) -> bytes:
    """A line of the list that is right but for `changes`."""
    right: dict[str, object] = {
        "token": "0" * 32,
        "intervals": [],
        "erased": None,
        "restricted": None,
        "at": "2026-11-24T12:00:00Z",
    }
    return json.dumps(right | changes).encode()


NOON, ELEVEN = "2026-11-24T12:00:00Z", "2026-11-24T11:00:00Z"
CORRUPT = {
    "not json": b"{",
    "no object": b"[]",
    "empty": b"",
    "nul": b"\x00" * 40,
    "not utf-8": b'{"token":"\xff"}',
    "another key": entry(x=1),
    "a key missing": b'{"token":"00000000000000000000000000000000"}',
    "a raw id": entry(token="alice@example.com"),
    "a number as token": entry(token=0),
    "a time without zone": entry(erased="2026-11-24T12:00:00"),
    "an impossible time": entry(erased="2026-02-30T12:00:00Z"),
    "a number as time": entry(restricted=1),
    "a backward interval": entry(intervals=[[NOON, ELEVEN]]),
    "an open beginning": entry(intervals=[[None, NOON]]),
    "half an interval": entry(intervals=[[NOON]]),
    "no list of intervals": entry(intervals=None),
    "no time of writing": entry(at=None),
}


def test_the_entry_that_the_corrupt_ones_are_made_from_is_right(path: Path) -> None:
    opened(path).add(["a"], NOW)
    with path.open("ab") as file:
        file.write(entry(intervals=[[ELEVEN, NOON]]) + b"\n")
    assert len(opened(path).load().standings) == 2


@pytest.mark.parametrize("name", CORRUPT)
def test_a_line_that_is_not_understood_stops_the_pipeline(path: Path, name: str) -> None:
    reader = opened(path)
    opened(path).add(["a", "b"], NOW)
    reader.load()
    with path.open("ab") as file:
        file.write(CORRUPT[name] + b"\n")
    for source in (reader, opened(path)):
        with pytest.raises(OptOutStale, match="line 3 ") as caught:
            source.refresh(NOW)
        assert "alice" not in str(caught.value)
        assert caught.value.__cause__ is None
    with pytest.raises(OptOutStale):
        opened(path).add(["c"], NOW)


def test_a_list_that_disappears_stops_the_pipeline(path: Path) -> None:
    reader = opened(path)
    opened(path).add(["a"], NOW)
    reader.load()
    path.unlink()
    for source in (reader, opened(path)):
        with pytest.raises(OptOutStale, match="gone"):
            source.refresh(NOW)
        with pytest.raises(OptOutStale, match="gone"):
            source.load()
    with pytest.raises(OptOutStale):
        opened(path).add(["b"], NOW)
    assert not path.exists()


@pytest.mark.parametrize("length", [0, 10])
def test_a_list_that_is_cut_short_stops_the_pipeline(path: Path, length: int) -> None:
    reader = opened(path)
    opened(path).add(["a"], NOW)
    reader.load()
    os.truncate(path, length)
    with pytest.raises(OptOutStale, match="cut short"):
        reader.refresh(NOW)


def test_a_list_replaced_by_a_shorter_one_stops_a_running_pipeline(path: Path) -> None:
    reader = opened(path)
    opened(path).add(["a"], NOW)
    backup = path.read_bytes()
    opened(path).add(["b"], NOW)
    reader.load()
    other = path.with_suffix(".new")
    other.write_bytes(backup)
    other.rename(path)
    with pytest.raises(OptOutStale, match="cut short"):
        reader.refresh(NOW)


def test_a_list_that_cannot_be_written_is_told(path: Path) -> None:
    path.parent.mkdir()
    path.mkdir()
    with pytest.raises((EnvironmentProblem, OptOutStale)):
        opened(path).add(["a"], NOW)


ADDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from pipeline.io.rights.optout_list import OptOutFile
source = OptOutFile(Path(sys.argv[1]), bytes(range(32)))
for number in range(int(sys.argv[3])):
    source.add([f"{sys.argv[2]}-{number}"], datetime(2026, 11, 24, 12, tzinfo=UTC))
    print(number, flush=True)
"""


def adder(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ADDER, str(path), name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_that_add_at_once_lose_nothing(path: Path) -> None:
    adders = [adder(path, name, 40) for name in ("x", "y")]
    for process in adders:
        process.communicate(timeout=60)
    source = opened(path)
    assert len(source.load().standings) == 80
    assert all(is_out(source, *(f"{name}-{n}" for name in ("x", "y") for n in range(40))))


def test_what_was_answered_before_a_kill_is_on_the_list(path: Path) -> None:
    answered = 0
    for round_ in range(4):
        process = adder(path, f"r{round_}", 10_000)
        assert process.stdout is not None
        for _ in range(1 + 7 * round_):
            last = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split()
        done = int(rest[-1] if rest else last) + 1
        assert all(is_out(opened(path), *(f"r{round_}-{n}" for n in range(done))))
        answered += done
    assert answered <= len(opened(path).load().standings) <= answered + 4


def test_whoever_is_forgotten_leaves_blanks_of_the_same_length(path: Path) -> None:
    """A list that gets shorter was cut; one that keeps its length is read from the beginning."""
    source, reader = opened(path), opened(path)
    source.add(["a", "b"], NOW)
    source.remove(["a"], NOW)
    reader.load()
    size = path.stat().st_size
    assert source.change(source.tokens(["a"]), forgotten, NOW) == 1
    assert path.stat().st_size == size
    assert source.tokens(["a"])[0] not in path.read_text()
    (left,) = source.tokens(["b"])
    assert set(reader.refresh(NOW).standings) == set(opened(path).load().standings) == {left}
    source.add(["a"], NOW)
    assert set(reader.refresh(NOW).standings) == {left, source.tokens(["a"])[0]}
