"""Settings of a connection: what is refused, and that secrets stay references."""

from __future__ import annotations

import json
import pickle
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from kafka.errors import SaslAuthenticationFailedError
from kafka.net.sasl.msk import SaslMechanismAwsMskIam
from kafka.net.sasl.oauth import SaslMechanismOAuth

from pipeline.errors import EnvironmentProblem, SettingsError
from pipeline.io.kafka.client import KafkaAccess, Tokens
from pipeline.io.kafka.source import KafkaSource
from pipeline.io.web.tokens import TokenAccess, TokenRefused
from tests.integration.services.token_endpoint import token_endpoint


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"servers": ()}, "No Kafka servers"),
        ({"protocol": "TLS"}, "`protocol` is unknown"),
        ({"protocol": "SASL_SSL"}, "needs `username` and `password`"),
        ({"protocol": "SASL_SSL", "mechanism": "MD5"}, "`mechanism` is unknown"),
        ({"protocol": "SASL_SSL", "mechanism": "OAUTHBEARER"}, "needs `token_endpoint`"),
        ({"protocol": "SASL_PLAINTEXT", "mechanism": "AWS_MSK_IAM"}, "SASL_SSL"),
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


def test_a_token_is_fetched_where_a_connection_is_opened_and_sent_with_its_extensions() -> None:
    with token_endpoint({"client": "hunter2"}) as endpoint:
        tokens = TokenAccess(endpoint.url, partial(str, "client"), partial(str, "hunter2"))
        access = KafkaAccess(
            ("a:1",), "SASL_SSL", mechanism="OAUTHBEARER", tokens=tokens,
            token_extensions={"logicalCluster": "lkc-1"},
        )  # fmt: skip
        source = KafkaSource("api", "api_request", "topic", access)
        travelled = pickle.loads(pickle.dumps(source)).access
        assert endpoint.given == []
        settings = travelled.client_settings()
        assert len(endpoint.given) == 1
        sent = SaslMechanismOAuth(**settings).auth_bytes().decode()
        assert sent == (f"n,,\x01auth=Bearer {endpoint.given[0]}\x01logicalCluster=lkc-1\x01\x01")
        assert "hunter2" not in repr(access)


def test_a_refused_token_is_told_to_the_client_without_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with token_endpoint({"client": "hunter2"}) as endpoint:
        endpoint.says_seconds = False
        told = TokenAccess(endpoint.url, partial(str, "client"), partial(str, "hunter2"))
        provider = Tokens(told, {})
        endpoint.answer = (401, b'{"error":"invalid_client"}')
        assert provider.problem() is None
        with pytest.raises(SaslAuthenticationFailedError, match="refuses a token"):
            provider.token()
        assert isinstance(provider.problem(), TokenRefused)
    assert "invalid_client" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> KafkaAccess:
    """An access to MSK, with keys of AWS in the environment and nothing else of this machine."""
    for name in ("AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    given = {
        "AWS_CONFIG_FILE": f"{tmp_path}/none", "AWS_SHARED_CREDENTIALS_FILE": f"{tmp_path}/none",
        "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "hunter2-secret", "AWS_SESSION_TOKEN": "session",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return KafkaAccess(("b-1.msk.test:9098",), "SASL_SSL", mechanism="AWS_MSK_IAM")


def test_what_is_sent_to_msk_is_signed_as_by_the_library_of_aws(aws: KafkaAccess) -> None:
    settings = aws.client_settings()
    assert "hunter2" not in str(settings)
    client = SaslMechanismAwsMskIam(host="b-1.msk.test", **settings)._build_client()
    sent = json.loads(client.first_message())
    # The same request, signed by the other implementation at the same second.
    request = AWSRequest(
        "GET", "https://b-1.msk.test/", params={"Action": "kafka-cluster:Connect"}, data=b""
    )
    now = datetime.strptime(sent["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    signer = SigV4QueryAuth(
        Credentials("AKIDEXAMPLE", "hunter2-secret", "session"),
        "kafka-cluster", "eu-west-1", expires=int(sent["x-amz-expires"]),
    )  # fmt: skip
    with patch("botocore.auth.get_current_datetime", lambda: now.replace(tzinfo=None)):
        signer.add_auth(request)
    (signature,) = parse_qs(urlsplit(request.url).query)["X-Amz-Signature"]
    assert sent["x-amz-signature"] == signature
    assert sent["x-amz-credential"].startswith("AKIDEXAMPLE/")
    assert "hunter2" not in json.dumps(sent)


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION"])
def test_what_aws_needs_is_told_before_a_connection(
    aws: KafkaAccess, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(missing)
    with pytest.raises(EnvironmentProblem, match="no credentials of AWS, or no region"):
        aws.client_settings()


def test_without_the_client_of_aws_the_extra_is_named(
    aws: KafkaAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(EnvironmentProblem) as caught:
        aws.client_settings()
    assert "[aws]" in caught.value.remedy
