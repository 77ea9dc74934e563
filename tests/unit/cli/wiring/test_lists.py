"""Each list is opened by one function, and it is the list that the settings mean."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.cli.frame.options import Invocation
from pipeline.cli.frame.output import Output
from pipeline.cli.wiring.lists import (
    accept_lists,
    open_budget,
    open_holds,
    open_queue,
    open_receipts,
    optout_list,
    optout_source,
    optout_topic,
    read_optouts,
)
from pipeline.errors import OptOutStale, SettingsError
from pipeline.io.rights.optout_topic import OptOutTopic
from pipeline.io.state_folder import OPTOUTS, RECEIPTS
from pipeline.settings import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def call(tmp_path: Path) -> Invocation:
    settings = Settings()
    state = replace(settings.state, path=tmp_path / "state")
    return Invocation(Output(), replace(settings, state=state), fixed_now=NOW)


def with_topic(call: Invocation) -> Invocation:
    """The same with an opt-out topic, on a port where nobody listens."""
    settings = call.settings
    kafka = replace(settings.kafka, optout_topic="optouts", servers=("127.0.0.1:1",))
    return replace(call, settings=replace(settings, kafka=kafka))


def now() -> datetime:
    return NOW


def test_what_the_file_list_takes_is_what_a_run_would_read(call: Invocation) -> None:
    with optout_list(call) as optouts:
        assert optouts.add(["a@example.com", "b@example.com"], NOW) == 2
    standings = read_optouts(call).standings
    assert len(standings) == 2
    assert all("@" not in token for token in standings)


def test_with_a_topic_the_file_of_the_state_folder_is_not_read(call: Invocation) -> None:
    with optout_list(call) as optouts:
        optouts.add(["a@example.com"], NOW)
    opened = optout_source(with_topic(call).settings, now)()
    assert isinstance(opened, OptOutTopic)
    opened.close()


def test_a_source_of_opt_outs_travels_to_another_process(call: Invocation) -> None:
    with optout_list(call) as optouts:
        optouts.add(["a@example.com"], NOW)
    travelled = pickle.loads(pickle.dumps(optout_source(call.settings, now)))
    assert len(travelled().load().standings) == 1


def test_a_topic_that_no_setting_names_is_told(call: Invocation) -> None:
    with pytest.raises(SettingsError, match="optout_topic"):
        optout_topic(call.settings, now)


def test_every_list_is_in_the_state_folder_and_made_by_its_first_entry(call: Invocation) -> None:
    settings = call.settings
    assert list(open_queue(settings).all()) == []
    assert list(open_receipts(settings).all()) == []
    assert list(open_holds(settings).active(NOW.date())) == []
    assert list(open_budget(settings).spend([], 0.1, 0.1, NOW)) == []
    state = settings.need_state()
    assert not list(state.rglob("*.ndjson"))
    open_receipts(settings).write("expire", {}, NOW)
    assert [path.name for path in state.glob("*.ndjson")] == [RECEIPTS]


def test_a_list_that_was_cut_is_accepted_as_it_is_and_receipts_never(call: Invocation) -> None:
    with optout_list(call) as optouts:
        optouts.add(["a@example.com"], NOW)
        optouts.add(["b@example.com"], NOW)
    open_receipts(call.settings).write("expire", {}, NOW)
    state = call.settings.need_state()
    first = (state / OPTOUTS).read_bytes().splitlines(keepends=True)[0]
    (state / OPTOUTS).write_bytes(first)
    (state / RECEIPTS).write_bytes(b"")
    with pytest.raises(OptOutStale):
        read_optouts(call)
    assert accept_lists(call.settings) == {OPTOUTS: 1}
    assert len(read_optouts(call).standings) == 1
