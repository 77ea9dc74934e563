"""Secrets are looked up when they are needed, and no error names what was looked for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem, SettingsError
from pipeline.settings import Secret
from pipeline.settings.secrets import reveal
from tests.integration.services.aws_secrets import aws_secrets


def test_secrets_are_revealed_from_environment_and_file_only_when_there(tmp_path: Path) -> None:
    secret_file = tmp_path / "secret"
    secret_file.write_text("from file\n")
    assert reveal(Secret("env:A"), "kafka.password", {"A": "from env"}) == "from env"
    assert reveal(Secret(f"file:{secret_file}"), "kafka.password", {}) == "from file"
    for reference in ("env:MISSING", f"file:{tmp_path / 'none'}"):
        with pytest.raises(SettingsError) as refused:
            reveal(Secret(reference), "kafka.password", {})
        assert refused.value.where == "kafka.password"
        assert "MISSING" not in str(refused.value)


def test_the_secret_manager_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.secretmanager", None)
    with pytest.raises(EnvironmentProblem, match="gcp-sm"):
        reveal(Secret("gcp-sm:projects/p/secrets/s/versions/1"), "kafka.password", {})


def test_a_text_and_an_entry_are_revealed_and_the_rest_is_told_by_its_kind() -> None:
    with aws_secrets() as client:
        client.create_secret(Name="kafka/password", SecretString="hunter2")
        client.create_secret(Name="kafka/user", SecretString='{"name": "hunter3"}')
        assert reveal(Secret("aws-sm:kafka/password"), "kafka.password") == "hunter2"
        assert reveal(Secret("aws-sm:kafka/user#name"), "kafka.username") == "hunter3"
        for reference, why in [
            ("aws-sm:none", "ResourceNotFoundException"),
            ("aws-sm:kafka/user#other", "no such entry"),
            ("aws-sm:kafka/password#other", "no such entry"),
        ]:
            with pytest.raises(SettingsError, match=why) as caught:
                reveal(Secret(reference), "kafka.password")
            assert "hunter" not in str(caught.value)


def test_without_the_client_of_aws_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(EnvironmentProblem) as caught:
        reveal(Secret("aws-sm:x"), "kafka.password")
    assert "[aws]" in caught.value.remedy
