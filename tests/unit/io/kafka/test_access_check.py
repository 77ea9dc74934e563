"""What `doctor` says of a broker: the connection, the topics, and the rights that are missing."""

from __future__ import annotations

from pathlib import Path

from pipeline.io.kafka.access_check import AccessCheck, check_access
from pipeline.io.kafka.client import KafkaAccess
from tests.unit.io.kafka.broker import DESCRIBE, READ, Broker


def test_what_may_be_read_and_written_is_ok() -> None:
    with Broker(partitions=2) as broker:
        assert check_access(broker.access, read=["t"], write=["t"]) == [
            AccessCheck("kafka", "ok", f"127.0.0.1:{broker.port} answers (PLAINTEXT)"),
            AccessCheck("kafka topic t", "ok", "2 partitions, READ and DESCRIBE allowed"),
            AccessCheck("kafka topic t", "ok", "2 partitions, WRITE and DESCRIBE allowed"),
        ]


def test_a_missing_right_fails_and_is_named() -> None:
    with Broker() as broker:
        broker.allowed = {READ, DESCRIBE}
        _, readable, writable = check_access(broker.access, read=["t"], write=["t"])
        assert (readable.state, writable.state) == ("ok", "fail")
        assert writable.remedy == "Grant WRITE on t."


def test_a_topic_that_is_not_there_fails_and_is_not_made() -> None:
    with Broker() as broker:
        (_, missing) = check_access(broker.access, read=["none"])
        assert (missing.name, missing.state) == ("kafka topic none", "fail")
        assert "does not exist" in missing.detail


def test_a_connection_that_cannot_be_opened_fails_alone(tmp_path: Path) -> None:
    access = KafkaAccess(("127.0.0.1:1",), "SSL", ca_file=tmp_path / "none.pem")
    (found,) = check_access(access, read=["t"])
    assert (found.name, found.state) == ("kafka", "fail")
    assert "FileNotFoundError" in found.detail
