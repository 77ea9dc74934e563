"""Settings of a connection: what is refused, and that secrets stay references."""

from __future__ import annotations

import pickle
from functools import partial

import pytest

from pipeline.errors import EnvironmentProblem, SettingsError
from pipeline.io.kafka.client import KafkaAccess
from pipeline.io.kafka.source import KafkaSource


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"servers": ()}, "No Kafka servers"),
        ({"protocol": "TLS"}, "`protocol` is unknown"),
        ({"protocol": "SASL_SSL"}, "needs `username` and `password`"),
        ({"protocol": "SASL_SSL", "mechanism": "MD5"}, "`mechanism` is unknown"),
        ({"certificate_file": "x"}, "both `certificate_file` and `key_file`"),
    ],
)
def test_settings_that_do_not_fit_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        KafkaAccess(**{"servers": ("a:1",), **given})  # type: ignore[arg-type]


def test_a_source_travels_with_references_and_opens_nothing() -> None:
    reveal = partial(str.upper, "reference")
    access = KafkaAccess(("a:1",), "SASL_SSL", username=reveal, password=reveal)
    source = KafkaSource("api", "api_request", "topic", access)
    travelled = pickle.loads(pickle.dumps(source))
    assert travelled.access.client_settings()["sasl_plain_password"] == "REFERENCE"
    assert b"REFERENCE" not in pickle.dumps(source)
    assert "reference" not in repr(source)


def test_a_certificate_that_is_not_there_is_told_by_setting(tmp_path: object) -> None:
    access = KafkaAccess(("a:1",), "SSL", ca_file=f"{tmp_path}/missing.pem")  # type: ignore[arg-type]
    with pytest.raises(EnvironmentProblem, match="`ca_file`"):
        access.client_settings()


def test_shards_are_the_same_in_every_process_whatever_the_partitions() -> None:
    source = KafkaSource("api", "api_request", "topic", KafkaAccess(("a:1",)))
    assert [(shard.index, shard.count) for shard in source.shards(3)] == [(0, 3), (1, 3), (2, 3)]
    assert all(source.shards(1))
