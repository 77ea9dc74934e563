"""The commands that belong to topics: generate, run, status, gap, published positions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import confluent_kafka
import pytest

from pipeline.io.kafka.client import KafkaAccess
from pipeline.io.kafka.group_offsets import Publication
from tests.integration.kafka.telemetry import Installation, event
from tests.integration.services.kafka import Broker
from tests.waiting import wait_for

Names = Callable[[], str]


@pytest.fixture
def installed(broker: Broker, topic_name: Names, tmp_path: Path) -> Installation:
    topic = broker.create_topic(topic_name(), 2)
    installation = Installation(tmp_path)
    installation.configure(
        f"""
[sources.api]
event = "api_request"
servers = ["{broker.servers}"]
topic = "{topic}"
"""
    )
    installation.topic = topic  # type: ignore[attr-defined]
    return installation


def test_what_generate_sends_comes_to_the_lake_and_adds_up(
    broker: Broker, installed: Installation
) -> None:
    topic = installed.topic  # type: ignore[attr-defined]
    sent = installed.run(
        *("generate", "--event", "api_request", "--events", "5000"),
        *("--kafka", broker.servers, "--topic", topic),
    )
    assert sent["events"] == 5000
    waiting = installed.run("status")
    assert waiting["lag_messages"] == 5000
    assert all(one["position"] is None for one in waiting["topics"])
    assert max(one["waiting_seconds"] for one in waiting["topics"]) > 0
    done = installed.run("run", "--once")
    assert done["read"] == 5000
    assert done["written"] > 4000
    assert done["written"] + sum(done["rejected"].values()) + sum(done["dropped"].values()) == 5000
    after = installed.run("status")
    assert after["lag_messages"] == 0
    assert sum(one["position"] for one in after["topics"]) == 5000
    assert installed.run("run", "--once")["read"] == 0


def test_awkward_messages_are_rejected_and_cost_no_others(
    broker: Broker, installed: Installation
) -> None:
    topic = installed.topic  # type: ignore[attr-defined]
    inside = event(3).replace(b'"status": 200', b'"status":\n200')
    assert b"\n" in inside
    broker.produce(topic, [event(1), None, b"", inside, b"\n", b"not json\n{}", event(2)])
    done = installed.run("run", "--once")
    assert done["written"] + sum(done["rejected"].values()) == done["read"] == 7
    assert done["rejected"]["empty"] >= 2
    assert done["written"] == 3
    assert installed.position(topic) == 7


def test_a_gap_is_shown_then_recorded_then_passed_over(
    broker: Broker, installed: Installation
) -> None:
    topic = installed.topic  # type: ignore[attr-defined]
    broker.produce(topic, [event(n) for n in range(10)])
    installed.run("run", "--once")
    broker.produce(topic, [event(n) for n in range(10, 30)])
    broker.delete_records(topic, 0, 25)
    failed = installed.run("run", "--once", expect=1)
    assert "Messages 10 to 24 are gone" in json.dumps(failed)
    (lagging, _) = installed.run("status")["topics"]
    assert (lagging["lost"], lagging["lag"]) == (15, 5)
    gap = ["kafka", "gap", "--topic", topic, "--partition", "0", "--to"]
    assert "still there" in json.dumps(installed.run(*gap, "27", "--apply", expect=2))
    shown = installed.run(*gap, "25")
    assert (shown["from"], shown["to"], shown["recorded"]) == (10, 25, False)
    assert installed.position(topic) == 10
    assert installed.run(*gap, "25", "--apply")["recorded"]
    done = installed.run("run", "--once")
    assert (done["read"], done["written"]) == (5, 5)
    assert installed.rows() == 15
    table = installed.table()
    assert table is not None
    commits = [entry.get("telemetry", {}) for entry in table.history()]
    recorded = [commit for commit in commits if "gap" in commit]
    assert [(one["start"], one["stop"], one["gap"]) for one in recorded] == [(10, 25, 15)]


def test_positions_are_published_to_a_group_that_lag_tools_read(
    broker: Broker, topic_name: Names
) -> None:
    topic, group = broker.create_topic(topic_name(), 2), topic_name()
    broker.produce(topic, [b"x"] * 10)
    publication = Publication(KafkaAccess((broker.servers,)), topic, group)
    publication.note(0, 7)
    publication.note(1, 0)
    # The first use of groups on a broker makes it set up its coordinator.
    wait_for(publication.publish, "the publication")
    publication.close()
    consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.servers, "group.id": group})
    wanted = [confluent_kafka.TopicPartition(topic, number) for number in range(2)]
    assert [found.offset for found in consumer.committed(wanted, timeout=10)] == [7, 0]
    consumer.close()


def test_a_publication_that_fails_holds_nobody_up() -> None:
    publication = Publication(KafkaAccess(("localhost:1",)), "topic", "group")
    publication.note(0, 1)
    began = time.monotonic()
    assert publication.publish() is False
    assert time.monotonic() - began < 30
    publication.note(0, 2)
    assert time.monotonic() - began < 30
