"""References to Vault; `tests/integration/test_vault.py` runs this with a server."""

from __future__ import annotations

import sys

import pytest

from pipeline.errors import EnvironmentProblem, SettingsError
from pipeline.settings import Secret
from pipeline.settings.secrets import reveal
from tests.integration.services.vault import ROOT_TOKEN, running

SERVER = running()

if SERVER is not None:

    def test_an_entry_is_revealed_and_the_rest_is_told_by_its_kind(
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        assert SERVER is not None
        monkeypatch.setenv("VAULT_ADDR", SERVER.address)
        monkeypatch.setenv("VAULT_TOKEN", ROOT_TOKEN)
        mount, kv = SERVER.mount(), SERVER.root.secrets.kv.v2
        for password in ("hunter1", "hunter2"):
            kv.create_or_update_secret("team/kafka", {"password": password}, mount_point=mount)
        kv.create_or_update_secret("team/gone", {"password": "hunter3"}, mount_point=mount)
        kv.delete_latest_version_of_secret("team/gone", mount_point=mount)
        found = reveal(Secret(f"vault:{mount}/team/kafka#password"), "kafka.password")
        assert found == "hunter2"
        for path, why in [
            ("team/kafka#user", "no such entry"),
            ("team/none#password", "InvalidPath"),
            ("team/gone#password", "InvalidPath"),
        ]:
            with pytest.raises(SettingsError, match=why) as caught:
                reveal(Secret(f"vault:{mount}/{path}"), "kafka.password")
            assert "hunter" not in str(caught.value)
            assert "team" not in str(caught.value)
        monkeypatch.setenv("VAULT_TOKEN", "hunter4")
        with pytest.raises(SettingsError, match="Forbidden") as caught:
            reveal(Secret(f"vault:{mount}/team/kafka#password"), "kafka.password")
        assert "hunter" not in str(caught.value)


def test_without_the_client_of_vault_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example")
    monkeypatch.setitem(sys.modules, "hvac", None)
    with pytest.raises(EnvironmentProblem) as caught:
        reveal(Secret("vault:secret/kafka#password"), "kafka.password")
    assert "[vault]" in caught.value.remedy
