"""The opt-out list of a topic: read to its end, as old as its newest message, paused in doubt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.errors import OptOutPaused, OptOutStale
from pipeline.io.kafka.client import KafkaAccess
from pipeline.io.rights import optout_topic
from pipeline.io.rights.optout_topic import HEARTBEAT, POSITION, STALE_AFTER, OptOutTopic
from pipeline.io.standings.entries import encode, to_micros
from pipeline.privacy.optout import Standing
from tests.unit.io.rights.topics import Broker

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TOKEN, OTHER = "a" * 32, "b" * 32
OUT = Standing(intervals=((5, None),))


class Clock:
    """A clock that stands until it is moved."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    found = Broker(now_ms=to_micros(NOW) // 1000)
    monkeypatch.setattr(optout_topic, "connect_consumer", found.consumer)
    monkeypatch.setattr(optout_topic, "TAIL_SECONDS", 0.0)
    return found


@pytest.fixture
def listed(broker: Broker, clock: Clock) -> OptOutTopic:
    return OptOutTopic(KafkaAccess(("broker:9092",)), "optout", clock)


def put(broker: Broker, token: str, standing: Standing) -> None:
    broker.put(token.encode(), encode(token, standing, 9).encode())


def test_the_last_standing_of_a_token_counts(broker: Broker, listed: OptOutTopic) -> None:
    put(broker, TOKEN, OUT)
    put(broker, OTHER, OUT)
    put(broker, TOKEN, Standing(restricted=7))
    broker.put(OTHER.encode(), None)
    assert listed.load().standings == {TOKEN: Standing(restricted=7)}


def test_what_is_new_is_seen_at_the_next_look(broker: Broker, listed: OptOutTopic) -> None:
    broker.put(HEARTBEAT, b"{}")
    before = listed.load()
    assert before.standings == {}
    put(broker, TOKEN, OUT)
    assert listed.refresh(NOW).standings == {TOKEN: OUT}
    assert before.standings == {}
    assert listed.read_to_end() == {TOKEN: OUT}


def test_a_list_is_as_old_as_its_newest_message(
    broker: Broker, listed: OptOutTopic, clock: Clock
) -> None:
    broker.put(HEARTBEAT, b"{}")
    listed.load()
    assert listed.refresh(NOW + STALE_AFTER).standings == {}
    with pytest.raises(OptOutPaused, match="no news for 15 minutes"):
        listed.refresh(NOW + STALE_AFTER + timedelta(seconds=1))
    clock.now += timedelta(hours=1)
    broker.now_ms += 3_600_000
    broker.put(HEARTBEAT, b"{}")
    assert listed.refresh(clock.now).standings == {}


def test_a_clock_that_is_ahead_does_not_hide_a_silence(broker: Broker, listed: OptOutTopic) -> None:
    broker.put(HEARTBEAT, b"{}", broker.now_ms + 10**9)
    listed.load()
    assert listed.age(NOW) == timedelta(0)
    assert listed.age(NOW + timedelta(hours=1)) == timedelta(hours=1)


def test_an_empty_topic_is_no_empty_list(broker: Broker, listed: OptOutTopic) -> None:
    with pytest.raises(OptOutPaused, match="not even a heartbeat"):
        listed.load()
    assert listed.age(NOW) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (TOKEN.encode(), b"alice"),
        (TOKEN.encode(), encode(OTHER, OUT, 9).encode()),
        (b"alice", encode(TOKEN, OUT, 9).encode()),
        (None, encode(TOKEN, OUT, 9).encode()),
        (b"\xff", b"\xff"),
        (POSITION + b"requests/0", b"alice"),
        (POSITION + b"requests/0", b'{"next":"alice"}'),
        (POSITION + b"requests/0", b'{"other":1}'),
        (POSITION + b"requests/0", b"[]"),
    ],
)
def test_a_message_that_is_not_understood_pauses_until_its_key_is_written_again(
    broker: Broker,
    listed: OptOutTopic,
    caplog: pytest.LogCaptureFixture,
    key: bytes | None,
    value: bytes,
) -> None:
    broker.put(HEARTBEAT, b"{}")
    broker.put(key, value)
    with pytest.raises(OptOutPaused, match="partition 0, offset 1 is not an entry") as caught:
        listed.load()
    assert "alice" not in str(caught.value) + caplog.text
    broker.put(key, None)
    assert listed.refresh(NOW).standings == {}


def test_the_service_of_requests_finds_how_far_it_had_read(
    broker: Broker, listed: OptOutTopic
) -> None:
    broker.put(POSITION + b"requests/0", b'{"next":7}')
    broker.put(POSITION + b"requests/1", b'{"next":5}')
    broker.put(POSITION + b"requests/0", b'{"next":9}')
    listed.load()
    assert listed.served == {"requests/0": 9, "requests/1": 5}
    broker.put(POSITION + b"requests/1", None)
    listed.refresh(NOW)
    assert listed.served == {"requests/0": 9}


def test_a_broker_that_is_gone_pauses_and_tells_nothing_of_its_words(
    broker: Broker, listed: OptOutTopic
) -> None:
    broker.down = True
    with pytest.raises(OptOutPaused) as caught:
        listed.load()
    assert "words of the broker" not in str(caught.value)
    with pytest.raises(OptOutPaused, match="a moment ago"):
        listed.refresh(NOW)
    broker.down = False
    broker.put(HEARTBEAT, b"{}")
    assert listed.load().standings == {}


def test_a_topic_that_lost_messages_is_not_read_on(broker: Broker, listed: OptOutTopic) -> None:
    put(broker, TOKEN, OUT)
    put(broker, OTHER, OUT)
    listed.load()
    listed.close()
    del broker.log[1:]
    with pytest.raises(OptOutStale, match="lost messages") as caught:
        listed.load()
    assert not isinstance(caught.value, OptOutPaused)
