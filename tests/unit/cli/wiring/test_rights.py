"""A request is queued before the list is changed, and its document says what was done."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.cli.frame.options import Invocation
from pipeline.cli.frame.output import Output
from pipeline.cli.wiring.rights import open_desk, worked_document
from pipeline.io.rights.request_queue import RequestKind
from pipeline.io.rights.standing_json import restricted
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
