"""A request is queued before the list is changed, and its document says what was done."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.cli.frame.options import Invocation
from pipeline.cli.frame.output import Output
from pipeline.cli.main import main
from pipeline.cli.wiring.rights import open_desk, worked_document
from pipeline.io.rights.request_queue import RequestKind
from pipeline.io.standings.entries import restricted
from pipeline.ops.rights.worker import Worked
from pipeline.settings import Settings
from tests.unit.ops.rights.desk import World, days_back

T0 = datetime(2026, 11, 20, 12, tzinfo=UTC)
ID = "somebody@example.com"


class Broken(Exception):
    """Stands for an end between queue and list."""


@pytest.fixture
def call(tmp_path: Path) -> Invocation:
    World(tmp_path).store([(ID, day) for day in days_back(1, 2)])
    settings = Settings()
    settings = replace(
        settings,
        lake=replace(settings.lake, path=str(tmp_path / "lake")),
        state=replace(settings.state, path=tmp_path / "state"),
        privacy=replace(settings.privacy, epoch="week"),
    )
    return Invocation(Output(), settings, fixed_now=T0)


def test_an_account_becomes_tokens_and_a_request_and_is_worked_on(call: Invocation) -> None:
    with open_desk(call) as desk:
        people = desk.people([ID])
        assert ID not in repr(people)
        (request,) = desk.submit(RequestKind.RESTRICT, people, restricted)
        assert [one.number for one in desk.rights.queue.pending()] == [request.number]
        (standing,) = desk.rights.optouts.check([ID])
        assert standing.restricted is not None
        done = desk.rights.work(T0, only=[request.number])
    assert (done.rows_moved, worked_document(done)["carried_out"]) == (2, {"restrict": 1})


def test_an_end_between_queue_and_list_leaves_a_request_and_loses_none(call: Invocation) -> None:
    def fails(_standing: object, _now: object) -> None:
        raise Broken

    with open_desk(call) as desk:
        with pytest.raises(Broken):
            desk.submit(RequestKind.RESTRICT, desk.people([ID]), fails)  # type: ignore[arg-type]
        assert [one.kind for one in desk.rights.queue.pending()] == [RequestKind.RESTRICT]


def test_what_a_run_did_is_plain_values() -> None:
    done = Worked()
    document = worked_document(done)
    assert document["receipts"] == []
    assert set(map(type, document.values())) <= {dict, list, int}
    assert not isinstance(document["carried_out"], Counter)


NOBODY = "nobody@example.com"
HOLD = ["hold", "add", "--owner", "o", "--reason", "r", "--until", "2026-12-01", "--account"]


@pytest.mark.parametrize(
    "words",
    [
        ["optout", "add"],
        HOLD,
        ["erase"],
        ["erase", "--apply"],
        ["restrict"],
        ["release"],
        ["export", "--out", "OUT"],
    ],
)
def test_every_command_notes_an_id_of_which_nothing_is_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    World(tmp_path).store([(ID, day) for day in days_back(1, 2)])
    settings = tmp_path / "telemetry.toml"
    settings.write_text('[privacy]\nepoch = "week"\n[lake]\npath = "lake"\n[state]\npath = "state"')

    def say(account: str, *more: str) -> str:
        out = str(tmp_path / f"out-{account}-{len(more)}")
        filled = [out if word == "OUT" else word for word in words]
        place = ["--config", str(settings), "--now", f"{T0:%Y-%m-%dT%H:%M:%SZ}"]
        assert main([*filled, account, *more, *place]) == 0
        told = capsys.readouterr()
        assert account not in told.out.replace(out, "") + told.err
        return told.out

    note = "nothing of it is stored in the lake. Check the ids"
    assert note in say(NOBODY)
    document = json.loads(say("nobody-else", "--json"))
    assert document["unknown"] == 1
    assert "Note:" not in say(ID)


@pytest.mark.parametrize("words", [["optout", "add"], HOLD])
def test_a_lake_that_cannot_be_read_does_not_make_the_command_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    world = World(tmp_path)
    world.store([(ID, day) for day in days_back(1, 2)])
    for file in (tmp_path / "lake" / "events").rglob("*.parquet"):
        file.write_bytes(b"no Parquet")
    place = ["--lake", str(tmp_path / "lake"), "--state", str(tmp_path / "state")]
    assert main([*words, ID, *place, "--now", f"{T0:%Y-%m-%dT%H:%M:%SZ}"]) == 0
    assert "could not be seen" in capsys.readouterr().err
