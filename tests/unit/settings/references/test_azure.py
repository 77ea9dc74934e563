"""References to Azure Key Vault, by Microsoft's client over a real connection."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem, SettingsError
from pipeline.settings import Secret
from pipeline.settings.secrets import reveal
from tests.integration.services.azure_vault import FORBIDDEN, azure_vault

SECRETS = {
    "kafka-password": "hunter2",
    "kafka-password/0123": "hunter1",
    "kafka-user": '{"name": "hunter3"}',
}


def test_a_text_a_version_and_an_entry_are_revealed_and_the_rest_is_told_by_its_status(
    tmp_path: Path,
) -> None:
    with azure_vault(tmp_path, SECRETS) as host:
        for name, text in [
            ("kafka-password", "hunter2"),
            ("kafka-password/0123", "hunter1"),
            ("kafka-user#name", "hunter3"),
        ]:
            assert reveal(Secret(f"azure-kv:{host}/{name}"), "kafka.password") == text
        for name, why in [
            ("none", "Azure answers 404"),
            (FORBIDDEN, "Azure answers 403"),
            ("kafka-user#other", "no such entry"),
        ]:
            with pytest.raises(SettingsError, match=why) as caught:
                reveal(Secret(f"azure-kv:{host}/{name}"), "kafka.password")
            assert "hunter" not in str(caught.value)
            assert name not in str(caught.value)


def test_a_host_that_asks_for_the_token_of_another_gets_none(tmp_path: Path) -> None:
    with (
        azure_vault(tmp_path, SECRETS, "storage.localhost") as host,
        pytest.raises(SettingsError, match="no key vault"),
    ):
        reveal(Secret(f"azure-kv:{host}/kafka-password"), "kafka.password")


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.keyvault.secrets", None)
    with pytest.raises(EnvironmentProblem) as caught:
        reveal(Secret("azure-kv:telemetry.vault.azure.net/x"), "kafka.password")
    assert "[azure]" in caught.value.remedy
