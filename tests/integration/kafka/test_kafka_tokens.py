"""OAUTHBEARER against a broker that checks signed tokens by a key set, as with OIDC providers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.kafka.client import KafkaAccess, connect_consumer
from pipeline.io.kafka.reader import KafkaReader
from pipeline.io.kafka.source import KafkaSource
from pipeline.io.web.tokens import TokenAccess, TokenRefused
from tests.integration.kafka.reading import Positions, numbered, open_reader, read_to_end
from tests.integration.kafka.telemetry import Installation, event
from tests.integration.services.kafka import Broker
from tests.integration.services.token_endpoint import TokenEndpoint, token_endpoint
from tests.waiting import wait_for

SECRET = "client-secret"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Broker, TokenEndpoint]]:
    folder = tmp_path_factory.mktemp("tokens")
    keys = folder / "keys.json"
    with (
        token_endpoint({"telemetry": SECRET, "stranger": SECRET}, keys) as endpoint,
        Broker(folder / "broker", secure=True, token_keys=keys) as broker,
    ):
        yield broker, endpoint


@pytest.fixture
def endpoint(served: tuple[Broker, TokenEndpoint]) -> Iterator[TokenEndpoint]:
    found = served[1]
    yield found
    found.answer, found.seconds = None, 300


@pytest.fixture
def broker(served: tuple[Broker, TokenEndpoint]) -> Broker:
    return served[0]


@pytest.fixture
def topic(broker: Broker, request: pytest.FixtureRequest) -> str:
    name = broker.create_topic(f"t{abs(hash(request.node.name))}")
    for right in ("READ", "DESCRIBE"):
        broker.allow("telemetry", right, "TOPIC", name)
    broker.produce(name, numbered(range(10)))
    return name


def access(broker: Broker, endpoint: TokenEndpoint, client: str = "telemetry") -> KafkaAccess:
    assert broker.certificates is not None
    return KafkaAccess(
        (broker.sasl_servers,),
        protocol="SASL_SSL",
        ca_file=broker.certificates.ca,
        mechanism="OAUTHBEARER",
        tokens=TokenAccess(endpoint.url, partial(str, client), partial(str, SECRET), "kafka"),
    )


def reader(broker: Broker, endpoint: TokenEndpoint, topic: str, at: Positions) -> KafkaReader:
    found = open_reader(KafkaSource("s", "api_request", topic, access(broker, endpoint)), at)
    assert isinstance(found, KafkaReader)
    return found


def test_a_topic_is_read_with_a_token(broker: Broker, endpoint: TokenEndpoint, topic: str) -> None:
    at = Positions()
    reading = reader(broker, endpoint, topic, at)
    read_to_end(reading, at)
    reading.close()
    assert at.values() == numbered(range(10))


def test_the_subject_of_the_token_is_who_reads(
    broker: Broker, endpoint: TokenEndpoint, topic: str
) -> None:
    at = Positions()
    how = access(broker, endpoint, "stranger")
    with pytest.raises(EnvironmentProblem) as caught:
        read_to_end(open_reader(KafkaSource("s", "api_request", topic, how), at), at)
    assert "DESCRIBE" in caught.value.remedy


def test_a_connection_outlives_its_tokens(
    broker: Broker, endpoint: TokenEndpoint, topic: str
) -> None:
    """The broker ends a connection whose token has ended: so another one was brought in time."""
    endpoint.seconds = 4
    at, before, sent = Positions(), len(endpoint.given), 10
    reading = reader(broker, endpoint, topic, at)

    def has_renewed() -> bool:
        nonlocal sent
        broker.produce(topic, numbered(range(sent, sent + 1)))
        sent += 1
        cut = reading.poll(0.1)
        if cut is not None:
            at.commit(cut)
            reading.committed(cut.span)
        return len(endpoint.given) - before >= 4

    wait_for(has_renewed, "renewing tokens")
    reading.flush()

    def has_all() -> bool:
        cut = reading.poll(0.1)
        if cut is not None:
            at.commit(cut)
            reading.committed(cut.span)
        return len(at.values()) == sent

    wait_for(has_all, "reading everything")
    reading.close()
    assert at.values() == numbered(range(sent))


def test_a_client_that_is_refused_later_stops_the_reader(
    broker: Broker, endpoint: TokenEndpoint, topic: str
) -> None:
    endpoint.seconds = 4
    at = Positions()
    reading = reader(broker, endpoint, topic, at)
    reading.poll(0.1)
    endpoint.answer = (401, b'{"error":"invalid_client"}')

    def is_refused() -> bool:
        try:
            reading.poll(0.1)
        except TokenRefused as problem:
            return "invalid_client" in str(problem) and SECRET not in str(problem)
        return False

    wait_for(is_refused, "the stop")
    reading.close()


def test_a_token_that_the_broker_does_not_trust_says_so(
    broker: Broker, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    with token_endpoint({"telemetry": SECRET}) as impostor:  # signs with a key of its own
        with pytest.raises(EnvironmentProblem, match="refuses the token") as caught:
            connect_consumer(access(broker, impostor), bootstrap_timeout_ms=2000)
        assert impostor.given
        for text in (str(caught.value), caplog.text):
            assert SECRET not in text
            assert not any(token in text for token in impostor.given)


def test_a_whole_run_with_tokens_and_one_without_an_identity_provider(
    broker: Broker, endpoint: TokenEndpoint, tmp_path: Path
) -> None:
    assert broker.certificates is not None
    topic = broker.create_topic("whole")
    for right in ("READ", "DESCRIBE"):
        broker.allow("telemetry", right, "TOPIC", topic)
    broker.produce(topic, [event(1, "a"), event(2, "b")])
    installation = Installation(tmp_path)
    installation.configure(
        f"""
[kafka]
protocol = "SASL_SSL"
mechanism = "OAUTHBEARER"
ca_file = "{broker.certificates.ca}"
username = "env:CLIENT_ID"
password = "env:CLIENT_SECRET"
token_endpoint = "{endpoint.url}"
token_scope = "kafka"
[kafka.token_extensions]
logicalCluster = "lkc-1"
[sources.api]
event = "api_request"
servers = ["{broker.sasl_servers}"]
topic = "{topic}"
"""
    )
    environ = {"CLIENT_ID": "telemetry", "CLIENT_SECRET": SECRET}
    endpoint.answer = (503, b"")
    failed = installation.run("run", "--once", environ=environ, expect=3)
    assert "The token endpoint gives no token now" in json.dumps(failed)
    endpoint.answer = None
    checks = installation.run("doctor", environ=environ)["checks"]
    assert {c["state"] for c in checks if "kafka" in c["name"]} == {"ok"}
    given = len(endpoint.given)
    assert installation.run("run", "--once", environ=environ)["written"] == 2
    assert len(endpoint.given) > given
    written = b"".join(f.read_bytes() for f in tmp_path.rglob("*") if f.is_file())
    assert SECRET.encode() not in written
    assert not any(token.encode() in written for token in endpoint.given)
