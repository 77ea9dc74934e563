"""References to AWS Secrets Manager."""

from __future__ import annotations

import sys

import pytest

from pipeline.errors import EnvironmentProblem, SettingsError
from pipeline.settings import Secret
from pipeline.settings.secrets import reveal
from tests.integration.services.aws_secrets import aws_secrets


def test_a_text_and_an_entry_are_revealed_and_the_rest_is_told_by_its_kind() -> None:
    with aws_secrets() as client:
        client.create_secret(Name="kafka/password", SecretString="hunter2")
        client.create_secret(Name="kafka/user", SecretString='{"name": "hunter3"}')
        client.create_secret(Name="kafka/key", SecretBinary=b"hunter4")
        assert reveal(Secret("aws-sm:kafka/password"), "kafka.password") == "hunter2"
        assert reveal(Secret("aws-sm:kafka/user#name"), "kafka.username") == "hunter3"
        for reference, why in [
            ("aws-sm:none", "ResourceNotFoundException"),
            ("aws-sm:kafka/user#other", "no such entry"),
            ("aws-sm:kafka/password#other", "no such entry"),
            ("aws-sm:kafka/key", "no text"),
        ]:
            with pytest.raises(SettingsError, match=why) as caught:
                reveal(Secret(reference), "kafka.password")
            assert "hunter" not in str(caught.value)


def test_without_the_client_of_aws_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(EnvironmentProblem) as caught:
        reveal(Secret("aws-sm:x"), "kafka.password")
    assert "[aws]" in caught.value.remedy
