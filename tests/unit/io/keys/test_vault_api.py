"""Vault: what only one of several gets, and how failures are told.

`tests/integration/test_vault.py` runs this with a server.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pipeline.errors import EnvironmentProblem
from pipeline.io.keys.secret_service import NoVersion, Unreadable
from pipeline.io.keys.vault_api import VaultSecrets
from pipeline.settings.vault_access import VaultAccess
from tests.integration.services.vault import Vault, running, vault

PREFIX = "telemetry/keys"


@pytest.fixture
def server() -> Vault:
    found = running()
    assert found is not None
    return found


@pytest.fixture
def mount(server: Vault) -> str:
    return server.mount()


def secrets_of(server: Vault, mount: str, account: str = "expirer") -> VaultSecrets:
    access = VaultAccess(server.address, server.token(account, mount))
    return VaultSecrets(access.client, mount, PREFIX)


@pytest.fixture
def secrets(server: Vault, mount: str) -> VaultSecrets:
    return secrets_of(server, mount)


def test_the_first_content_is_everybodys(secrets: VaultSecrets) -> None:
    with pytest.raises(NoVersion):
        secrets.first("optout")
    secrets.add("optout", b"a" * 32)
    secrets.add("optout", b"b" * 32)
    assert secrets.first("optout") == b"a" * 32


def test_a_destroyed_key_leaves_its_number_and_is_never_made_again(
    secrets: VaultSecrets, server: Vault, mount: str
) -> None:
    secrets.destroy_first("data-x")
    secrets.add("data-x", b"a" * 32)
    for _ in range(2):
        secrets.destroy_first("data-x")
    secrets.add("data-x", b"b" * 32)
    with pytest.raises(Unreadable, match="destroyed"):
        secrets.first("data-x")
    kv = server.root.secrets.kv.v2
    versions = kv.read_secret_metadata(f"{PREFIX}-data-x", mount_point=mount)["data"]["versions"]
    assert [(number, one["destroyed"]) for number, one in versions.items()] == [("1", True)]
    kv.undelete_secret_versions(f"{PREFIX}-data-x", [1], mount_point=mount)
    with pytest.raises(Unreadable, match="destroyed"):
        secrets.first("data-x")


def test_an_index_is_changed_by_who_saw_it_last(secrets: VaultSecrets) -> None:
    assert secrets.annotations("index") == ("", {})
    secrets.create("index")
    secrets.create("index")
    before, texts = secrets.annotations("index")
    assert texts == {}
    assert secrets.annotate("index", before, {"installation": "1"})
    assert not secrets.annotate("index", before, {"installation": "2"})
    after, texts = secrets.annotations("index")
    assert (before, after, texts) == ("1", "2", {"installation": "1"})


def test_a_deleted_index_is_not_an_absent_one(
    secrets: VaultSecrets, server: Vault, mount: str
) -> None:
    secrets.create("index")
    kv = server.root.secrets.kv.v2
    kv.delete_latest_version_of_secret(f"{PREFIX}-index", mount_point=mount)
    assert secrets.annotations("index") == ("1", {"epoch.unreadable": ""})


def test_what_somebody_else_wrote_is_no_key(
    secrets: VaultSecrets, server: Vault, mount: str
) -> None:
    kv = server.root.secrets.kv.v2
    for name, content in [("files", {"other": "x"}), ("figures", {"key": "not base64"})]:
        kv.create_or_update_secret(f"{PREFIX}-{name}", content, mount_point=mount)
        with pytest.raises(Unreadable, match="written"):
            secrets.first(name)
    kv.create_or_update_secret(f"{PREFIX}-index", {"installation": 1}, mount_point=mount)
    assert "epoch.unreadable" in secrets.annotations("index")[1]


def test_only_the_expirer_may_destroy(secrets: VaultSecrets, server: Vault, mount: str) -> None:
    pipeline = secrets_of(server, mount, "pipeline")
    pipeline.add("data-x", b"a" * 32)
    pipeline.destroy_first("data-x", if_allowed=True)
    with pytest.raises(EnvironmentProblem, match="Forbidden"):
        pipeline.destroy_first("data-x")
    assert pipeline.first("data-x") == b"a" * 32
    secrets.destroy_first("data-x")
    with pytest.raises(Unreadable):
        pipeline.first("data-x")


def test_no_account_reaches_what_is_beside_the_keys(server: Vault, mount: str) -> None:
    access = VaultAccess(server.address, server.token("expirer", mount))
    with pytest.raises(EnvironmentProblem, match="Forbidden"):
        VaultSecrets(access.client, mount, "telemetry/kafka").first("password")


def test_an_engine_that_compares_nothing_is_refused(server: Vault) -> None:
    old = server.mount(version=1)
    access = VaultAccess(server.address, "root")
    secrets = VaultSecrets(access.client, old, PREFIX)
    with pytest.raises(EnvironmentProblem, match="version 2"):
        secrets.create("index")
    with pytest.raises(EnvironmentProblem, match="version 2"):
        secrets.add("files", b"a" * 32)
    server.root.secrets.kv.v1.create_or_update_secret(
        f"data/{PREFIX}-files", {"data": {"key": ""}}, mount_point=old
    )
    with pytest.raises(EnvironmentProblem, match="version 2"):
        secrets.first("files")


def test_a_token_that_was_replaced_is_read_again(server: Vault, mount: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(server.token("expirer", mount) + "\n")
    access = VaultAccess(server.address, token_file=file)
    secrets = VaultSecrets(access.client, mount, PREFIX)
    secrets.add("files", b"a" * 32)
    server.root.auth.token.revoke(file.read_text().strip())
    with pytest.raises(EnvironmentProblem, match="Forbidden") as caught:
        secrets.first("files")
    assert file.read_text().strip() not in str(caught.value)
    file.write_text(server.token("expirer", mount) + "\n")
    assert secrets.first("files") == b"a" * 32


def test_a_pod_logs_in_with_its_own_token(server: Vault, mount: str, tmp_path: Path) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    server.token("expirer", mount)
    server.root.sys.enable_auth_method("jwt", path=f"jwt-{mount}")
    engine = f"auth/jwt-{mount}"
    server.root.write_data(
        f"{engine}/config",
        data={"jwt_validation_pubkeys": [public.decode()], "bound_issuer": "k8s"},
    )
    role = {"role_type": "jwt", "bound_subject": "telemetry", "user_claim": "sub"}
    role |= {"bound_audiences": "vault", "token_policies": f"expirer-{mount}"}
    server.root.write_data(f"{engine}/role/telemetry", data=role)
    file = tmp_path / "jwt"
    claims = {"iss": "k8s", "sub": "telemetry", "aud": "vault", "iat": 1, "exp": 4_000_000_000}
    file.write_text(jwt.encode(claims, private, algorithm="RS256"))
    access = VaultAccess(server.address, role="telemetry", mount=f"jwt-{mount}", jwt_file=file)
    secrets = VaultSecrets(access.client, mount, PREFIX)
    secrets.add("files", b"a" * 32)
    file.write_text(jwt.encode({**claims, "sub": "other"}, private, algorithm="RS256"))
    with pytest.raises(EnvironmentProblem, match="does not accept the login"):
        access.client()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Vault]:
    with vault(tmp_path, tls=True) as found:
        yield found


def test_a_sealed_vault_and_a_false_authority_are_told_without_what_was_asked(own: Vault) -> None:
    access = VaultAccess(own.address, "root", ca_file=str(own.ca_file))
    secrets = VaultSecrets(access.client, "secret", PREFIX)
    secrets.add("optout", b"a" * 32)
    with pytest.raises(EnvironmentProblem, match="SSLError"):
        VaultSecrets(VaultAccess(own.address, "root").client, "secret", PREFIX).first("optout")
    own.root.sys.seal()
    with pytest.raises(EnvironmentProblem, match="VaultDown") as caught:
        secrets.add("files", b"hunter2" * 4)
    assert "hunter2" not in str(caught.value)


def test_a_vault_that_is_away_is_told_without_what_was_asked() -> None:
    gone = VaultSecrets(VaultAccess("http://127.0.0.1:1", "root").client, "secret", PREFIX)
    with pytest.raises(EnvironmentProblem, match="ConnectionError") as caught:
        gone.add("files", b"hunter2" * 4)
    assert "hunter2" not in str(caught.value)
