"""The opt-out topic and the service of requests, with a real broker."""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.errors import OptOutPaused, OptOutStale
from pipeline.io.kafka.client import KafkaAccess
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.rights.optout_topic import HEARTBEAT, OptOutTopic
from pipeline.io.rights.optout_topic_writer import OptOutTopicWriter
from pipeline.io.rights.request_queue import RequestQueue
from pipeline.io.rights.request_topic import RequestService, Served
from pipeline.io.standings.entries import encode, to_micros
from pipeline.privacy.identity.epochs import EpochKind
from pipeline.privacy.optout import Standing
from tests.integration.kafka.telemetry import Installation, event, stop
from tests.integration.services.kafka import Broker
from tests.waiting import wait_for

Names = Callable[[], str]
KEY = b"k" * 32
COMPACTED = {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def topic(broker: Broker, topic_name: Names) -> str:
    return broker.create_topic(topic_name(), 3, COMPACTED)


@pytest.fixture
def access(broker: Broker) -> KafkaAccess:
    return KafkaAccess((broker.servers,))


def line(token: str, **asked: int) -> bytes:
    standing = Standing(intervals=((1, None),), **asked)
    return encode(token, standing, 1).encode()


def put(broker: Broker, topic: str, key: bytes, value: bytes | None) -> None:
    broker.produce(topic, [value], keys=[key])


def is_known(known: OptOutTopic, at: datetime) -> bool:
    """Whether the gate is open at that time."""
    try:
        known.refresh(at)
    except OptOutPaused:
        return False
    return True


def test_the_last_standing_of_a_token_wins_and_null_forgets_it(
    broker: Broker, topic: str, access: KafkaAccess
) -> None:
    one, two = "1" * 32, "2" * 32
    for token in (one, two):
        put(broker, topic, token.encode(), line(token))
    put(broker, topic, one.encode(), line(one, erased_at=5))
    put(broker, topic, two.encode(), None)
    known = OptOutTopic(access, topic, now)
    assert known.load().standings == {one: Standing(((1, None),), erased_at=5)}
    put(broker, topic, two.encode(), line(two))
    wait_for(lambda: two in known.refresh(now()).standings)
    known.close()


def test_the_gate_holds_until_there_is_news_and_closes_after_16_silent_minutes(
    broker: Broker, topic: str, access: KafkaAccess
) -> None:
    known = OptOutTopic(access, topic, now)
    with pytest.raises(OptOutPaused, match="not even a heartbeat"):
        known.load()
    put(broker, topic, HEARTBEAT, b"{}")
    assert known.load().standings == {}
    assert known.age(now()) < timedelta(seconds=30)  # type: ignore[operator]
    known.refresh(now() + timedelta(minutes=14))
    with pytest.raises(OptOutPaused, match="no news for 16 minutes"):
        known.refresh(now() + timedelta(minutes=16, seconds=5))
    put(broker, topic, HEARTBEAT, b"{}")
    wait_for(lambda: is_known(known, now() + timedelta(minutes=14, seconds=30)), "the news")
    known.close()


def test_a_message_that_is_no_entry_pauses_until_its_key_is_written_anew(
    broker: Broker, topic: str, access: KafkaAccess
) -> None:
    token = "3" * 32
    put(broker, topic, HEARTBEAT, b"{}")
    put(broker, topic, token.encode(), b'{"opted_out": true}')
    known = OptOutTopic(access, topic, now)
    with pytest.raises(OptOutPaused, match="partition 0, offset 1 is not an entry") as caught:
        known.load()
    assert token not in str(caught.value)
    put(broker, topic, token.encode(), line(token))
    wait_for(lambda: is_known(known, now()), "the correction")
    assert token in known.refresh(now()).standings
    known.close()


def test_a_list_that_lost_messages_is_not_taken_for_an_empty_one(
    broker: Broker, topic_name: Names, access: KafkaAccess
) -> None:
    topic = broker.create_topic(topic_name(), 1, COMPACTED)
    put(broker, topic, b"4" * 32, line("4" * 32))
    known = OptOutTopic(access, topic, now)
    known.load()
    for done in broker.admin().delete_topics([topic]).values():
        done.result(30)
    time.sleep(1)
    broker.create_topic(topic, 1, COMPACTED)
    with pytest.raises(OptOutStale, match="lost messages"):
        known.load()
    known.close()


def test_a_writer_reads_applies_and_writes_in_one_transaction(
    broker: Broker, topic: str, access: KafkaAccess
) -> None:
    with OptOutTopicWriter(access, OptOutTopic(access, topic, now), KEY) as writer:
        assert writer.add(["a", "b"], now()) == 2
        assert writer.add(["a"], now()) == 0
        assert writer.remove(["b"], now()) == 1
        a, b, c = writer.check(["a", "b", "c"])
        at = to_micros(now())
        assert (a.opted_out_at(at), b.opted_out_at(at), c) == (True, False, Standing())
        assert len(b.intervals) == 1
        token = writer.tokens(["a"])[0]
    reader = OptOutTopic(access, topic, now)
    assert reader.load().standings[token].opted_out_at(to_micros(now()))
    reader.close()


def test_the_documented_recipe_computes_the_same_token(access: KafkaAccess) -> None:
    """The ten lines of docs/kafka.md, in the plainest Python."""
    account = "acct_42 é"
    plain = hmac.new(KEY, b"tp/v1/optout\x00" + account.encode("utf-8"), hashlib.sha256)
    writer = OptOutTopicWriter(access, OptOutTopic(access, "unused", now), KEY)
    assert writer.tokens([account]) == [plain.hexdigest()[:32]]


# -- the service -------------------------------------------------------------------------------


@pytest.fixture
def installed(broker: Broker, topic_name: Names, topic: str, tmp_path: Path) -> Installation:
    """An installation with an event topic, an opt-out topic and a topic of requests."""
    events = broker.create_topic(topic_name(), 2)
    requests = broker.create_topic(topic_name(), 1)
    installation = Installation(tmp_path)
    installation.configure(
        f"""
[flush]
interval = "300ms"
[kafka]
optout_topic = "{topic}"
requests_topic = "{requests}"
[sources.api]
event = "api_request"
servers = ["{broker.servers}"]
topic = "{events}"
"""
    )
    installation.topics = (events, topic, requests)  # type: ignore[attr-defined]
    return installation


def ask(broker: Broker, installed: Installation, *asked: object) -> None:
    topic = installed.topics[2]  # type: ignore[attr-defined]
    values = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in asked]
    broker.produce(topic, values)


def test_requests_are_served_once_and_malformed_ones_say_only_where(
    broker: Broker, installed: Installation
) -> None:
    secret = "acct_secret@example.com"
    ask(
        broker,
        installed,
        {"request": "opt_out", "account_id": secret},
        {"request": "opt_out", "account_id": secret},
        {"request": "erase", "account_id": "b", "under_13": True},
        {"request": "export", "account_id": "c"},
        {"request": "restrict", "account_id": "d"},
        {"request": "forget", "account_id": secret},
        {"request": "erase", "account_id": 7},
        {"request": "erase"},
        b"not json " + secret.encode(),
        b"[]",
        b'{"request":"erase","account_id":"x","account_id":"y"}',
        b"",
        b"x" * 5000,
    )
    served = installed.run("requests", "serve", "--once")
    assert served == {
        "read": 13,
        "queued": 4,
        "changed": 3,
        "rejected": {
            "unknown_request": 1,
            "invalid_account": 2,
            "not_json": 3,
            "not_object": 1,
            "too_large": 1,
        },
    }
    waiting = installed.run("requests", "list")["waiting"]
    assert [one["kind"] for one in waiting] == ["erase_under_13", "purge", "export", "restrict"]
    assert installed.run("requests", "serve", "--once")["read"] == 0
    assert installed.run("optout", "check", secret)["accounts"][0]["opted_out"]
    written = b"".join(p.read_bytes() for p in installed.folder.rglob("*") if p.is_file())
    assert secret.encode() not in written


def test_requests_that_are_read_again_change_nothing(
    broker: Broker,
    topic: str,
    topic_name: Names,
    access: KafkaAccess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The service dies after queueing and before the transaction; the next one reads them again."""
    requests = broker.create_topic(topic_name(), 1)
    broker.produce(
        requests,
        [
            b'{"request":"opt_out","account_id":"a"}',
            b'{"request":"export","account_id":"b"}',
        ],
    )
    queue = RequestQueue(tmp_path / "requests.ndjson")
    keys = LocalKeystore(tmp_path / "keys", now=now, retention_days=90)

    def serve() -> Served:
        service = RequestService(
            access,
            requests,
            optouts=OptOutTopicWriter(access, OptOutTopic(access, topic, now), KEY),
            queue=queue,
            keys=keys,
            epochs=EpochKind.FOUR_WEEKS,
        )
        total = Served()
        try:
            while not service.at_end():
                total += service.serve(now(), 0.2)
        finally:
            service.close()
        return total

    with monkeypatch.context() as broken:

        def dies(*_: object, **__: object) -> None:
            raise OptOutStale("died")

        broken.setattr(OptOutTopicWriter, "write", dies)
        with pytest.raises(OptOutStale, match="died"):
            serve()
    assert len(queue.pending()) == 2
    again = serve()
    assert (again.read, again.queued, again.changed) == (2, 0, 1)
    assert len(queue.pending()) == 2
    assert serve().read == 0


def test_requests_that_retention_took_are_not_passed_over_silently(
    broker: Broker, installed: Installation
) -> None:
    requests = installed.topics[2]  # type: ignore[attr-defined]
    ask(broker, installed, {"request": "export", "account_id": "a"})
    installed.run("requests", "serve", "--once")
    ask(broker, installed, *[{"request": "export", "account_id": f"b{n}"} for n in range(3)])
    broker.delete_records(requests, 0, 3)
    failed = installed.run("requests", "serve", "--once", expect=1)
    assert "Requests 1 to 2 are gone" in json.dumps(failed)
    served = installed.run("requests", "serve", "--once", "--accept-loss")
    assert served["read"] == 1


def test_opt_outs_before_between_and_after_the_events(
    broker: Broker, installed: Installation
) -> None:
    events, _, _ = installed.topics  # type: ignore[attr-defined]
    ask(broker, installed, {"request": "opt_out", "account_id": "before"})
    installed.run("requests", "serve", "--once")
    broker.produce(events, [event(1, "before"), event(2, "kept"), event(3, "between")])
    assert installed.run("run", "--once")["dropped"] == {"opt_out": 1}
    ask(broker, installed, {"request": "opt_out", "account_id": "between"})
    installed.run("requests", "serve", "--once")
    broker.produce(events, [event(4, "between"), event(5, "kept")], partition=1)
    assert installed.run("run", "--once")["dropped"] == {"opt_out": 1}
    ask(broker, installed, {"request": "opt_in", "account_id": "before"})
    installed.run("requests", "serve", "--once")
    time.sleep(1.1)
    broker.produce(events, [event(6, "before")])
    after = installed.run("run", "--once")
    assert (after["written"], after["dropped"]) == (1, {})
    assert installed.rows() == 4
    # The rows that were stored before the opt-out are to be purged.
    kinds = [one["kind"] for one in installed.run("requests", "list")["waiting"]]
    assert kinds == ["purge", "purge"]


def test_a_run_that_is_waiting_takes_an_opt_out_within_seconds(
    broker: Broker, installed: Installation
) -> None:
    events, _, _ = installed.topics  # type: ignore[attr-defined]
    service = installed.start("requests", "serve")
    running = installed.start("run")
    try:
        broker.produce(events, [event(1, "a")])
        wait_for(lambda: installed.position(events) == 1, "the first commit")
        ask(broker, installed, {"request": "opt_out", "account_id": "a"})
        time.sleep(5)
        broker.produce(events, [event(2, "a"), event(3, "b")])
        wait_for(lambda: installed.position(events) == 3, "the second commit")
    finally:
        assert stop(running) == 0
        assert stop(service) == 0
    assert installed.rows() == 2


def test_once_refuses_to_run_on_a_list_that_is_silent(
    broker: Broker, installed: Installation
) -> None:
    events, optouts, _ = installed.topics  # type: ignore[attr-defined]
    broker.produce(events, [event(1)])
    put(broker, optouts, HEARTBEAT, b"{}")
    later = (now() + timedelta(minutes=16)).isoformat()
    failed = installed.run("run", "--once", "--now", later, expect=4)
    assert "no news for 16 minutes" in json.dumps(failed)
    assert installed.position(events) == 0
    assert installed.rows() == 0
    installed.run("run", "--once")
    assert installed.position(events) == 1


def test_a_run_pauses_while_the_list_is_silent_and_resumes_by_itself(
    broker: Broker, installed: Installation
) -> None:
    """The clock of the run is ahead by 16 minutes: each heartbeat is old when it arrives."""
    events, optouts, _ = installed.topics  # type: ignore[attr-defined]
    broker.produce(events, [event(1)])
    broker.configure_topic(optouts, {"message.timestamp.type": "CreateTime"})
    put(broker, optouts, HEARTBEAT, b"{}")
    ahead = now() + timedelta(minutes=16)
    running = installed.start("run", "--now", ahead.isoformat())
    try:
        wait_for(lambda: "Reading is paused" in installed.logs(), "the pause")
        time.sleep(3)
        assert running.poll() is None
        assert installed.position(events) == 0
        producer = broker.producer()
        producer.produce(
            optouts, b"{}", key=HEARTBEAT, timestamp=int(ahead.timestamp() * 1000) - 1000
        )
        producer.flush(10)
        wait_for(lambda: installed.position(events) == 1, "the resumption")
        assert "reading continues" in installed.logs()
    finally:
        assert stop(running, signal.SIGINT) in (0, 130)


def test_a_list_whose_broker_is_away_stops_reading_until_it_is_back(
    broker: Broker, topic_name: Names, tmp_path: Path
) -> None:
    """At start, and (by the clock) 16 minutes after it went away."""
    events = broker.create_topic(topic_name())
    broker.produce(events, [event(1)])
    lists = Broker(tmp_path / "lists")
    installation = Installation(tmp_path)
    installation.configure(
        f"""
[flush]
interval = "300ms"
[kafka]
servers = ["{lists.servers}"]
optout_topic = "optouts"
[sources.api]
event = "api_request"
servers = ["{broker.servers}"]
topic = "{events}"
"""
    )
    running = installation.start("run")
    try:
        wait_for(lambda: "Reading is paused" in installation.logs(), "the pause")
        assert running.poll() is None
        assert installation.position(events) == 0
        with lists:
            lists.create_topic("optouts", 1, COMPACTED)
            put(lists, "optouts", HEARTBEAT, b"{}")
            wait_for(lambda: installation.position(events) == 1, "the first commit")
            known = OptOutTopic(KafkaAccess((lists.servers,)), "optouts", now)
            known.load()
            lists.kill()
            known.refresh(now() + timedelta(minutes=14))
            with pytest.raises(OptOutPaused, match="no news for 16 minutes"):
                known.refresh(now() + timedelta(minutes=16, seconds=5))
            lists.start()
            put(lists, "optouts", HEARTBEAT, b"{}")
            later = now() + timedelta(minutes=14, seconds=50)
            wait_for(lambda: is_known(known, later), "the news")
            known.close()
    finally:
        assert stop(running) == 0
