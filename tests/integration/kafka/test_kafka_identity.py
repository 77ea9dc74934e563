"""A position belongs to one topic: one that was created again, cut or restored is noticed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import PositionConflict, TopicReplaced
from pipeline.events.model import CleanBatch
from pipeline.io.lake.lake import Lake
from pipeline.io.package_data import load_schemas
from pipeline.io.source import Pace
from tests.integration.kafka.reading import (
    Positions,
    numbered,
    open_reader,
    read_all,
    read_until,
    source,
)
from tests.integration.kafka.telemetry import Installation, event, stop
from tests.integration.services.kafka import Broker
from tests.waiting import wait_for

Names = Callable[[], str]


@pytest.fixture
def topic(broker: Broker, topic_name: Names) -> str:
    return broker.create_topic(topic_name())


@pytest.fixture
def installed(broker: Broker, topic: str, tmp_path: Path) -> Installation:
    installation = Installation(tmp_path)
    installation.configure(
        f"""
[sources.api]
event = "api_request"
servers = ["{broker.servers}"]
topic = "{topic}"
"""
    )
    return installation


def create_again(broker: Broker, topic: str) -> None:
    broker.delete_topic(topic)
    broker.create_topic(topic)


def test_a_topic_created_again_and_grown_past_the_position_stops_the_run(
    broker: Broker, topic: str, installed: Installation
) -> None:
    broker.produce(topic, [event(n) for n in range(100)])
    assert installed.run("run", "--once")["written"] == 100
    create_again(broker, topic)
    broker.produce(topic, [event(n) for n in range(1000, 1400)])
    told = installed.run("run", "--once", expect=1)["error"]
    assert told["code"] == "topic-replaced"
    assert topic in told["where"]
    assert "partition 0 up to 100" in told["why"]
    assert f"telemetry kafka accept {topic} --as new" in told["next"]
    assert installed.rows() == 100
    accepted = installed.run("kafka", "accept", topic, "--as", "new")
    assert accepted["partitions"] == [{"partition": 0, "from": 100, "to": 0}]
    assert accepted["topic_id"] in told["why"]
    assert accepted["topic_ids_before"][0] in told["why"]
    assert installed.run("run", "--once")["written"] == 400
    assert installed.rows() == 500
    again = installed.run("kafka", "accept", topic, "--as", "new", expect=2)
    assert "nothing to decide" in json.dumps(again)
    table = installed.table()
    assert table is not None
    decisions = [entry.get("telemetry", {}).get("accepted") for entry in table.history()]
    assert decisions.count("new") == 1


def test_a_topic_whose_offsets_mean_the_same_is_read_on(
    broker: Broker, topic: str, installed: Installation
) -> None:
    messages = [event(n) for n in range(50)]
    broker.produce(topic, messages[:30])
    installed.run("run", "--once")
    create_again(broker, topic)
    broker.produce(topic, messages)  # restored, with its offsets
    installed.run("run", "--once", expect=1)
    accepted = installed.run("kafka", "accept", topic, "--as", "same")
    assert accepted["partitions"] == [{"partition": 0, "from": 30, "to": 30}]
    assert installed.run("run", "--once")["written"] == 20
    assert installed.rows() == 50


def test_a_topic_created_again_stops_a_run_of_two_workers_for_good(
    broker: Broker, topic: str, installed: Installation
) -> None:
    broker.produce(topic, [event(n) for n in range(100)])
    process = installed.start("run", "--workers", "2", "--flush-interval", "1s")
    try:
        wait_for(lambda: installed.rows() == 100, "the first messages")
        create_again(broker, topic)
        broker.produce(topic, [event(n) for n in range(1000, 1400)])
        wait_for(lambda: process.poll() is not None, "the end of the run")
    finally:
        if process.poll() is None:
            stop(process)
    assert process.returncode == 1
    assert "topic-replaced" in installed.logs()
    assert installed.rows() == 100
    installed.run("kafka", "accept", topic, "--as", "new")
    installed.run("run", "--once")
    assert installed.rows() == 500


@pytest.mark.parametrize("raw", [True, False])
def test_a_running_reader_hands_out_nothing_of_a_topic_created_again(
    broker: Broker, topic: str, raw: bool
) -> None:
    broker.produce(topic, numbered(range(100)))
    positions = Positions()
    reader = open_reader(source(broker, topic), positions, Pace(flush_seconds=0.1))
    read_until(reader, positions, 100)
    fetch = reader._fetch
    assert fetch is not None
    if not raw:
        fetch._use_public_path()
    create_again(broker, topic)
    broker.produce(topic, numbered(range(1000, 1400)))
    with pytest.raises(TopicReplaced, match="not the one that was read"):
        read_until(reader, positions, 101)
    reader.close()
    assert positions.values() == numbered(range(100))


def test_a_position_of_the_first_version_takes_the_topics_id_and_says_so(
    broker: Broker, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    broker.produce(topic, numbered(range(10)))
    positions = read_all(broker, topic, Positions({f"kafka/{topic}/0": 10}))
    assert positions.values() == []
    assert "as version 0.1 wrote them" in caplog.text
    caplog.clear()
    read_all(broker, topic, positions)
    assert caplog.text == ""
    create_again(broker, topic)
    broker.produce(topic, numbered(range(20)))
    with pytest.raises(TopicReplaced, match="not the one that was read"):
        read_all(broker, topic, positions)


def test_a_zombie_of_the_old_topic_cannot_commit_after_the_decision(
    broker: Broker, topic: str, installed: Installation
) -> None:
    broker.produce(topic, [event(n) for n in range(100)])
    installed.run("run", "--once")
    schema = load_schemas()["api_request"][-1]
    table = Lake(str(installed.lake), state=installed.state).events("api_request", schema.stored)
    broker.produce(topic, [event(n) for n in range(100, 110)])
    zombie = open_reader(source(broker, topic), Positions())
    zombie._ask_lake = table.positions
    cut = None
    while cut is None:
        cut = zombie.poll(0.1)
    zombie.close()
    assert (cut.span.start, cut.span.stop) == (100, 110)
    create_again(broker, topic)
    broker.produce(topic, [event(n) for n in range(1000, 1100)])
    installed.run("kafka", "accept", topic, "--as", "new")
    installed.run("run", "--once")
    assert installed.position(topic) == 100  # as before, and of another topic
    nothing = pa.RecordBatch.from_pylist([], schema=schema.stored)
    with pytest.raises(PositionConflict):
        table.commit(CleanBatch(span=cut.span, event="api_request", read=0, rows=nothing))
    assert installed.position(topic) == 100


def test_a_log_that_was_cut_and_has_grown_again_is_noticed(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker") as broker:
        topic = broker.create_topic("cut")
        broker.produce(topic, numbered(range(50)))
        kept = broker.segment(topic).stat().st_size
        broker.produce(topic, numbered(range(50, 100)))
        positions = read_all(broker, topic)
        assert len(positions.values()) == 100
        broker.stop()
        with broker.segment(topic).open("r+b") as file:
            file.truncate(kept)
        broker.start()
        broker.produce(topic, numbered(range(1000, 1200)))
        with pytest.raises(TopicReplaced, match="lost by Kafka") as caught:
            read_all(broker, topic, positions)
        assert "partition 0 from 50 on" in str(caught.value)
        assert len(positions.values()) == 100


def test_an_end_before_the_position_that_passes_is_waited_for(
    broker: Broker, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.produce(topic, numbered(range(10)))
    positions = read_all(broker, topic)
    reader = open_reader(source(broker, topic), positions, Pace(flush_seconds=0.1))
    broker.produce(topic, numbered(range(10, 20)))
    assert reader.poll(0) is not None
    reader.forget()
    fetch = reader._fetch
    assert fetch is not None
    real, began = fetch.ends, time.monotonic()

    def behind(partitions: object, timeout_ms: int = 10_000) -> dict[int, int]:
        found = real(partitions, timeout_ms)  # type: ignore[arg-type]
        return {0: 5} if time.monotonic() - began < 3 else found

    monkeypatch.setattr(fetch, "ends", behind)
    read_until(reader, positions, 20)
    reader.close()
    assert positions.values() == numbered(range(20))
