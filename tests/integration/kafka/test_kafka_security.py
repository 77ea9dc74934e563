"""TLS, SASL and ACLs against a broker whose authorizer is on; what a missing right says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.kafka import client
from pipeline.io.kafka.access_check import check_access
from pipeline.io.kafka.client import KafkaAccess, connect_consumer
from pipeline.io.kafka.source import KafkaSource
from tests.integration.kafka.reading import Positions, numbered, open_reader, read_to_end
from tests.integration.kafka.telemetry import Installation, event
from tests.integration.services.kafka import Broker

SECRET = "scram-secret"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("secure"), secure=True) as broker:
        broker.add_user("reader", SECRET, "SCRAM-SHA-512")
        broker.add_user("reader256", SECRET, "SCRAM-SHA-256")
        broker.add_user("stranger", SECRET)
        broker.create_topic("events", 2)
        broker.create_topic("optouts", 1, {"message.timestamp.type": "LogAppendTime"})
        broker.create_topic("requests", 1)
        for user in ("reader", "reader256", "plain", "telemetry"):
            for right in ("READ", "DESCRIBE"):
                broker.allow(user, right, "TOPIC", "events")
        broker.produce("events", numbered(range(10)))
        yield broker


def access(broker: Broker, **changed: object) -> KafkaAccess:
    assert broker.certificates is not None
    given: dict[str, object] = {
        "servers": (broker.sasl_servers,),
        "protocol": "SASL_SSL",
        "ca_file": broker.certificates.ca,
        "username": lambda: "reader",
        "password": lambda: SECRET,
    }
    return KafkaAccess(**{**given, **changed})  # type: ignore[arg-type]


def read(broker: Broker, how: KafkaAccess) -> list[bytes]:
    positions = Positions()
    reader = open_reader(KafkaSource("s", "api_request", "events", how), positions)
    try:
        read_to_end(reader, positions)
    finally:
        reader.close()
    return positions.values()


def test_scram_over_tls_with_read_and_describe_is_enough(secure: Broker) -> None:
    assert read(secure, access(secure)) == numbered(range(10))
    other = access(secure, username=lambda: "reader256", mechanism="SCRAM-SHA-256")
    assert read(secure, other) == numbered(range(10))


def test_plain_over_tls_works(secure: Broker) -> None:
    how = access(
        secure, username=lambda: "plain", password=lambda: "plain-secret", mechanism="PLAIN"
    )
    assert read(secure, how) == numbered(range(10))


def test_mutual_tls_works_and_needs_the_certificate(secure: Broker) -> None:
    assert secure.certificates is not None
    how = KafkaAccess(
        (secure.mutual_servers,),
        protocol="SSL",
        ca_file=secure.certificates.ca,
        certificate_file=secure.certificates.client_certificate,
        key_file=secure.certificates.client_key,
    )
    assert read(secure, how) == numbered(range(10))
    without = KafkaAccess((secure.mutual_servers,), protocol="SSL", ca_file=how.ca_file)
    with pytest.raises(EnvironmentProblem, match=r"TLS|certificate"):
        connect_consumer(without, bootstrap_timeout_ms=2000)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password": lambda: "wrong"}, "refuses `username` and `password`"),
        ({"ca_file": None}, "certificate is not trusted"),
        ({"protocol": "SASL_PLAINTEXT"}, "`protocol`|refuses"),
        ({"servers": ("localhost:1",)}, "no connection to the first server"),
    ],
)
def test_a_connection_that_fails_says_why(
    secure: Broker, changed: dict[str, object], said: str
) -> None:
    with pytest.raises(EnvironmentProblem, match=said) as caught:
        connect_consumer(access(secure, **changed), bootstrap_timeout_ms=2000)
    assert SECRET not in str(caught.value)


def test_a_missing_right_is_the_documented_error(secure: Broker) -> None:
    stranger = access(secure, username=lambda: "stranger")
    with pytest.raises(EnvironmentProblem) as caught:
        read(secure, stranger)
    assert "DESCRIBE" in caught.value.remedy
    assert "topic events" in str(caught.value)
    secure.allow("stranger", "DESCRIBE", "TOPIC", "events")
    with pytest.raises(EnvironmentProblem, match="does not allow this user to read") as caught:
        read(secure, stranger)
    assert "Grant READ and DESCRIBE" in caught.value.remedy


def test_doctor_names_the_right_that_is_missing(secure: Broker) -> None:
    secure.add_user("describer", SECRET)
    secure.allow("describer", "DESCRIBE", "TOPIC", "events")
    connection, topic = check_access(access(secure, username=lambda: "describer"), read=["events"])
    assert (connection.state, topic.state) == ("ok", "fail")
    assert topic.detail == "READ is not allowed"
    connection, topic = check_access(access(secure), read=["events"])
    assert (connection.state, topic.state) == ("ok", "ok")


def test_no_secret_is_in_the_description_or_its_pickle(
    secure: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SECRET not in repr(access(secure))
    monkeypatch.setattr(client, "CLIENT_ID", "test")
    assert access(secure).client_settings()["sasl_plain_password"] == SECRET


def test_a_whole_run_with_the_documented_rights(secure: Broker, tmp_path: Path) -> None:
    """Pipeline and service of requests as two users, each with the rights of docs/kafka.md."""
    assert secure.certificates is not None
    secure.add_user("pipeline", SECRET)
    secure.add_user("requests", SECRET)
    secure.create_topic("api", 1)
    for topic in ("api", "optouts"):
        for right in ("READ", "DESCRIBE"):
            secure.allow("pipeline", right, "TOPIC", topic)
    for right in ("READ", "DESCRIBE"):
        secure.allow("requests", right, "TOPIC", "requests")
    for right in ("READ", "WRITE", "DESCRIBE"):
        secure.allow("requests", right, "TOPIC", "optouts")
    for right in ("WRITE", "DESCRIBE"):
        secure.allow("requests", right, "TRANSACTIONAL_ID", "telemetry-optout")
    installation = Installation(tmp_path)
    installation.configure(
        f"""
[kafka]
protocol = "SASL_SSL"
mechanism = "SCRAM-SHA-512"
ca_file = "{secure.certificates.ca}"
username = "env:KAFKA_USER"
password = "env:KAFKA_PASSWORD"
optout_topic = "optouts"
requests_topic = "requests"
[sources.api]
event = "api_request"
servers = ["{secure.sasl_servers}"]
topic = "api"
"""
    )
    secure.produce("requests", [b'{"request":"opt_out","account_id":"out"}'])
    secure.produce("api", [event(1, "out"), event(2, "kept")])
    serving = {"KAFKA_USER": "requests", "KAFKA_PASSWORD": SECRET}
    running = {"KAFKA_USER": "pipeline", "KAFKA_PASSWORD": SECRET}
    assert installation.run("requests", "serve", "--once", environ=serving)["changed"] == 1
    done = installation.run("run", "--once", environ=running)
    assert (done["written"], done["dropped"]) == (1, {"opt_out": 1})
    checks = installation.run("doctor", environ=running)["checks"]
    assert {c["state"] for c in checks if "kafka" in c["name"]} == {"ok"}
    # Without the password nothing works, and nothing tells it.
    bad = {"KAFKA_USER": "pipeline", "KAFKA_PASSWORD": "wrong-password"}
    failed = json.dumps(installation.run("run", "--once", environ=bad, expect=4))
    assert "wrong-password" not in failed
