"""A new source of which nothing can be stored stops the run, says why, and moves no position."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

import pytest

from pipeline.errors import NothingAccepted
from pipeline.events.wire.model import Reader
from pipeline.flow.runners.embedded import run_here
from pipeline.flow.runners.signals import Stop
from pipeline.io.package_data import load_format
from tests.unit.flow.world import EVENT, MemorySource, MemoryTable, event, schemas, world

NGINX = json.dumps(
    {
        "time_iso8601": "2026-11-24T11:30:00+00:00",
        "remote_addr": "192.0.2.7",
        "status": "200",
        "request_method": "GET",
        "request_uri": "/v1/me?mail=canary@example.com",
    }
).encode()


def refused(*lines: bytes) -> NothingAccepted:
    here = world(MemorySource("a", EVENT, lines))
    with pytest.raises(NothingAccepted) as caught:
        run_here(here.ports, Stop())
    assert here.lake.tables[EVENT].position_of == {}
    assert here.lake.refused.reasons == {}
    assert "canary" not in str(caught.value)
    return caught.value


def test_lines_of_another_format_are_recognized() -> None:
    error = refused(NGINX, NGINX, b"half a li")
    assert error.exit_code == 3
    assert error.where == "source a, first 3 messages"
    assert error.why == "all are rejected: missing_field (event) 2, not_json 1"
    assert "The lines look like --format nginx_json." in error.remedy


def test_missing_required_fields_are_named() -> None:
    wanted = {"event": EVENT, "version": 1, "event_id": "e1"}
    lines = [json.dumps({**wanted, "ts": "canary"}).encode()]
    lines += [json.dumps({"event": EVENT, "version": 1}).encode()]
    assert refused(*lines).why == "all are rejected: missing_field (event_id, occurred_at) 2"


def test_old_events_need_backfill() -> None:
    error = refused(event(1, occurred_at="2026-10-01T00:00:00Z"))
    assert "too_old 1" in error.why
    assert "--backfill" in error.remedy


def test_another_event_is_recognized() -> None:
    session = json.dumps(
        {
            "event": "session",
            "version": 1,
            "event_id": "e",
            "session_id": "s",
            "started_at": "2026-11-24T11:00:00Z",
        }
    ).encode()
    assert "The lines look like --event session." in refused(session).remedy


def test_at_most_three_reasons_are_told() -> None:
    deep = b'{"a":' * 9 + b"1" + b"}" * 9
    error = refused(b"x", b"x", b"[]", b"[]", b"{}", b"{}", deep)
    assert error.why.count(",") == 2
    assert "too_deep" not in error.why


def test_one_acceptable_message_is_enough() -> None:
    here = world(MemorySource("a", EVENT, (b"bad", event(1)), size=2))
    assert run_here(here.ports, Stop()).tally.rejected == {"not_json": 1}


def test_opted_out_people_are_acceptable() -> None:
    here = world(MemorySource("a", EVENT, (b"bad", event(1, gpc="1")), size=2))
    summary = run_here(here.ports, Stop())
    assert summary.tally.dropped == {"signal": 1}


def test_somebody_may_say_that_the_input_is_right() -> None:
    here = world(MemorySource("a", EVENT, (b"bad", b"worse")), input_is_right=True)
    summary = run_here(here.ports, Stop())
    assert summary.tally.rejected == {"not_json": 2}
    assert summary.exit_code == 1


def test_a_source_that_the_lake_knows_goes_on_past_bad_slices() -> None:
    here = world(MemorySource("a", EVENT, (event(1), event(2), b"bad", b"worse"), size=2))
    summary = run_here(here.ports, Stop())
    assert summary.tally.rejected == {"not_json": 2}
    assert summary.exit_code == 0


def test_a_run_of_a_known_source_that_rejects_everything_exits_with_1() -> None:
    here = world(MemorySource("a", EVENT, (event(1), b"bad", b"worse")))
    table = MemoryTable({"memory/a/0": 1}, refused=here.lake.refused)
    here.lake.tables[EVENT] = table
    summary = run_here(here.ports, Stop())
    assert summary.tally.rejected == {"not_json": 2}
    assert summary.exit_code == 1
    assert table.position_of == {"memory/a/0": 3}


def test_lines_of_a_format_that_lack_a_field_say_which() -> None:
    nginx = load_format("nginx_json", schemas())
    line = json.dumps({"remote_addr": "canary", "status": "200"}).encode()
    here = world(MemorySource("a", EVENT, (line,)), formats={"a": nginx})
    with pytest.raises(NothingAccepted, match=r"missing_field \(occurred_at\) 1"):
        run_here(here.ports, Stop())


def test_messages_without_a_schemas_number_name_the_producers_setting() -> None:
    lines = (b"\x02a\x04", b"\x06b")
    here = world(MemorySource("a", EVENT, lines), registries={"a": NoReaders})
    with pytest.raises(NothingAccepted, match=r"value\.schema\.id\.serializer") as caught:
        run_here(here.ports, Stop())
    assert caught.value.why == "all are rejected: not_in_format 2"
    assert here.lake.tables[EVENT].position_of == {}


class NoReaders:
    """A registry that is never asked: no message names a schema."""

    def find(self, numbers: Collection[int]) -> Mapping[int, Reader | None]:
        assert not numbers
        return {}

    def ready(self) -> bool:
        return True
