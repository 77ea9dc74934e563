"""`telemetry requests`: the queue is listed with its clocks, and carried out."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.commands.tiny import Tiny


def test_what_waits_is_carried_out_and_then_listed_as_swept(tiny: Tiny) -> None:
    tiny.call("optout", "add", tiny.account)
    (before,) = tiny.call("requests", "list")["waiting"]
    assert (before["kind"], before["stage"], before["clock"]) == ("purge", "waiting", "in_time")
    assert tiny.call("requests", "work")["rows_removed"] == tiny.rows
    (after,) = tiny.call("requests", "list")["waiting"]
    assert (after["request"], after["stage"]) == (before["request"], "swept")


def test_a_request_beyond_its_hard_limit_is_a_failure(tiny: Tiny) -> None:
    tiny.call("optout", "add", tiny.account)
    out, _ = tiny.say("requests", "list", "--json", code=1, now="2026-12-25T12:00:00Z")
    assert json.loads(out)["waiting"][0]["clock"] == "broken"


def test_what_is_done_is_listed_on_request(tiny: Tiny) -> None:
    tiny.call("restrict", tiny.account)
    tiny.call("release", tiny.account)
    short, long = tiny.call("requests", "list"), tiny.call("requests", "list", "--all")
    assert short["done"] == long["done"] > 0
    assert len(long["waiting"]) == len(short["waiting"]) + short["done"]


@pytest.mark.parametrize("pause", ["soon", "0s", "25h"])
def test_a_pause_that_is_none_is_refused(tiny: Tiny, pause: str) -> None:
    assert "from 1s to 24h" in tiny.refused("requests", "work", "--loop", pause, code=2)


def test_serving_without_a_topic_says_which_setting_is_missing(tiny: Tiny) -> None:
    assert "kafka." in tiny.refused("requests", "serve", "--once", code=3)
