"""`telemetry kafka`: a gap is shown before it is recorded, and a decision is recorded once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.cli.commands.tiny import Tiny
from tests.unit.io.kafka.broker import Broker


@pytest.fixture
def broker(tiny: Tiny) -> Iterator[Broker]:
    with Broker("requests") as broker:
        tiny.write(
            f'[sources.stream]\nevent = "api_request"\ntopic = "requests"\n'
            f'servers = ["127.0.0.1:{broker.port}"]\n'
        )
        broker.logs[0].put(b"{}", b"{}", b"{}")
        yield broker


def test_a_gap_is_recorded_only_with_apply(tiny: Tiny, broker: Broker) -> None:
    broker.logs[0].put(b"{}")
    broker.logs[0].forget(3)
    words = ["kafka", "gap", "--topic", "requests", "--partition", "0", "--to", "3"]
    gap = {"topic": "requests", "partition": 0, "from": 0, "to": 3}
    assert "add --apply" in tiny.say(*words)[0]
    assert tiny.call(*words) == {**gap, "recorded": False}
    assert tiny.call(*words, "--apply") == {**gap, "recorded": True}
    assert "no gap" in tiny.refused(*words, "--apply", code=2)


def test_a_topic_that_was_created_again_is_accepted_as_new(tiny: Tiny, broker: Broker) -> None:
    broker.logs[0].forget(3)
    tiny.call("kafka", "gap", "--topic", "requests", "--partition", "0", "--to", "3", "--apply")
    broker.recreate()
    done = tiny.call("kafka", "accept", "requests", "--as", "new")
    assert done["partitions"] == [{"partition": 0, "from": 3, "to": 0}]
    assert done["topic_id"] not in done["topic_ids_before"]
    assert "nothing to decide" in tiny.refused("kafka", "accept", "requests", "--as", "new", code=2)


def test_a_topic_of_no_source_needs_servers_and_event(tiny: Tiny) -> None:
    words = ["kafka", "accept", "other", "--as", "same"]
    assert "--kafka SERVERS and --event EVENT" in tiny.refused(*words, code=2)
