"""The list of a topic is changed by whole standings, all of a change or none of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.errors import TelemetryError, UsageError
from pipeline.io.kafka.client import KafkaAccess
from pipeline.io.rights import optout_topic, optout_topic_writer
from pipeline.io.rights.optout_topic import HEARTBEAT, OptOutTopic
from pipeline.io.rights.optout_topic_writer import OptOutTopicWriter
from pipeline.io.standings.entries import erased, forgotten, to_micros
from pipeline.privacy.identity.tokens import Domain, token
from pipeline.privacy.optout import Standing
from tests.privacy_rows import KEY
from tests.unit.io.rights.topics import Broker

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
AT = to_micros(NOW)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    found = Broker(now_ms=AT // 1000)
    monkeypatch.setattr(optout_topic, "connect_consumer", found.consumer)
    monkeypatch.setattr(optout_topic_writer, "connect_producer", found.producer)
    return found


@pytest.fixture
def writer(broker: Broker) -> Iterator[OptOutTopicWriter]:
    access = KafkaAccess(("broker:9092",))
    with OptOutTopicWriter(access, OptOutTopic(access, "optout", lambda: NOW), KEY) as found:
        yield found


def test_an_account_is_known_by_its_token_alone(writer: OptOutTopicWriter, broker: Broker) -> None:
    assert writer.add(["alice", "bob"], NOW) == 2
    keys = [message.key for message in broker.log]
    assert keys == [token(KEY, Domain.OPTOUT, name).encode() for name in ("alice", "bob")]
    assert not any(b"alice" in (message.value or b"") for message in broker.log)


def test_only_what_changes_is_written_and_counted(
    writer: OptOutTopicWriter, broker: Broker
) -> None:
    writer.add(["alice"], NOW)
    later = NOW + timedelta(minutes=1)
    assert writer.add(["alice", "bob", "bob"], later) == 1
    assert len(broker.log) == 2
    assert writer.check(["alice", "bob", "carol"]) == [
        Standing(intervals=((AT, None),)),
        Standing(intervals=((to_micros(later), None),)),
        Standing(),
    ]
    assert writer.remove(["alice", "carol"], later) == 1
    assert writer.check(["alice"]) == [Standing(intervals=((AT, to_micros(later)),))]


def test_a_token_of_which_nothing_is_left_to_know_is_removed(
    writer: OptOutTopicWriter, broker: Broker
) -> None:
    tokens = writer.tokens(["alice"])
    writer.change(tokens, erased, NOW)
    writer.change(tokens, forgotten, NOW)
    assert broker.log[-1].value is None
    assert writer.standings() == {}


def test_standings_positions_and_heartbeat_are_one_transaction(
    writer: OptOutTopicWriter, broker: Broker
) -> None:
    standings = {token(KEY, Domain.OPTOUT, "alice"): Standing(restricted=AT)}
    broker.fails_at = 2
    with pytest.raises(TelemetryError) as caught:
        writer.write(standings, NOW, served={"requests/0": 7}, heartbeat=True)
    assert "words of the broker" not in str(caught.value)
    assert broker.log == []
    broker.fails_at = None
    writer.write(standings, NOW, served={"requests/0": 7}, heartbeat=True)
    assert writer.standings() == standings
    assert writer.served() == {"requests/0": 7}
    assert HEARTBEAT in [message.key for message in broker.log]


def test_nothing_to_write_is_not_written(writer: OptOutTopicWriter, broker: Broker) -> None:
    broker.down = True
    writer.write({}, NOW)
    assert broker.log == []


def test_what_cannot_be_an_account_is_refused_before_anything_is_written(
    writer: OptOutTopicWriter, broker: Broker
) -> None:
    with pytest.raises(UsageError):
        writer.add(["alice", "x" * 257], NOW)
    assert broker.log == []
