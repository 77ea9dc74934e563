"""How Vault is reached: what the environment says, and whose token is used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem, SettingsError
from pipeline.settings.vault_access import VaultAccess, vault_access

ADDRESS = "https://vault.example:8200"


def test_the_environment_says_where_and_who() -> None:
    given = {
        "VAULT_ADDR": ADDRESS,
        "VAULT_TOKEN_FILE": "/run/vault/token",
        "VAULT_LOGIN_ROLE": "telemetry",
        "VAULT_LOGIN_MOUNT": "jwt",
        "VAULT_LOGIN_JWT_FILE": "/run/jwt",
        "VAULT_CACERT": "/etc/ca.pem",
        "VAULT_NAMESPACE": "team",
    }
    assert vault_access(given) == VaultAccess(
        ADDRESS,
        token_file=Path("/run/vault/token"),
        role="telemetry",
        mount="jwt",
        jwt_file=Path("/run/jwt"),
        ca_file="/etc/ca.pem",
        namespace="team",
    )


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        (ADDRESS, True),
        ("http://127.0.0.1:8200", True),
        ("http://localhost:8200", True),
        ("http://vault.example:8200", False),
        ("vault.example:8200", False),
        ("https://", False),
        ("", False),
    ],
)
def test_no_token_travels_in_the_clear(address: str, taken: bool) -> None:
    if taken:
        assert vault_access({"VAULT_ADDR": address}).address == address
        return
    with pytest.raises(SettingsError, match="no TLS" if address else "not set"):
        vault_access({"VAULT_ADDR": address})


def test_a_token_is_not_shown() -> None:
    assert "hunter2" not in repr(vault_access({"VAULT_ADDR": ADDRESS, "VAULT_TOKEN": "hunter2"}))


def test_a_client_gets_the_token_the_authority_and_the_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".vault-token").write_text("of login\n")
    (tmp_path / "token").write_text("of the agent\n")
    assert VaultAccess(ADDRESS).client().token == "of login"
    assert VaultAccess(ADDRESS, token_file=tmp_path / "token").client().token == "of the agent"
    client = VaultAccess(ADDRESS, "given", ca_file="/etc/ca.pem", namespace="team").client()
    assert (client.token, client.adapter.namespace) == ("given", "team")
    assert client.session.verify == "/etc/ca.pem"
    assert client.allow_redirects is False


def test_a_token_that_is_not_there_is_named_by_its_file(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="FileNotFoundError") as caught:
        VaultAccess(ADDRESS, token_file=tmp_path / "none").client()
    assert caught.value.where == str(tmp_path / "none")


def test_a_login_that_fails_names_no_token(tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text("hunter2\n")
    access = VaultAccess("http://127.0.0.1:1", role="telemetry", jwt_file=tmp_path / "jwt")
    with pytest.raises(EnvironmentProblem, match="ConnectionError") as caught:
        access.client()
    assert "hunter2" not in str(caught.value)


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hvac", None)
    with pytest.raises(EnvironmentProblem) as caught:
        VaultAccess(ADDRESS, "given").client()
    assert "[vault]" in caught.value.remedy
