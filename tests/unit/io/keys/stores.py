"""How a test opens each store of keys, and breaks it behind its back: one function for each.

The key of `STORES` is the scheme of the store's references; `local` is the state folder. Stores
that need something which is not there are left out here: `tests/integration/test_secret_manager.py`
and `test_vault.py` run these tests in a process that has it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from pipeline.io.keys.keystore import Keystore
from pipeline.io.keys.local import LocalKeystore

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def google_is_here() -> bool:
    try:
        return find_spec("google.cloud.secretmanager") is not None
    except ModuleNotFoundError:
        return False


def vault_is_here() -> bool:
    from tests.integration.services.vault import running

    return running() is not None


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Place:
    """A place for keys: how to open it, and how to break it behind the keystore's back."""

    clock: Clock
    open: Callable[[], Keystore]
    lose: Callable[[str], None]
    put: Callable[[str, bytes], None]


def local(folder: Path, clock: Clock, stack: ExitStack) -> Place:
    del stack

    def path(name: str) -> Path:
        return folder / f"{name}.key"

    def put(name: str, content: bytes) -> None:
        path(name).write_bytes(content)

    return Place(
        clock,
        lambda: LocalKeystore(folder, now=clock),
        lambda name: path(name).unlink(),
        put,
    )


def secret_manager(folder: Path, clock: Clock, stack: ExitStack) -> Place:
    from pipeline.io.keys.google_api import GoogleSecrets
    from pipeline.io.keys.secret_manager import SecretManagerKeystore
    from tests.integration.services.secret_manager import Service, client_of, serving

    del folder
    service = Service()
    address = stack.enter_context(serving(service))

    def version(name: str) -> str:
        return f"projects/p/secrets/telemetry-{name}/versions/1"

    def lose(name: str) -> None:
        service.version(version(name)).state = "DISABLED"

    def put(name: str, content: bytes) -> None:
        service.version(version(name)).data = content

    secrets = GoogleSecrets(client_of(address), "p", "telemetry")
    return Place(clock, lambda: SecretManagerKeystore(secrets, now=clock), lose, put)


def aws_secrets(folder: Path, clock: Clock, stack: ExitStack) -> Place:
    from pipeline.io.keys.aws_api import connect
    from pipeline.io.keys.secret_manager import SecretManagerKeystore
    from tests.integration.services.aws_secrets import aws_secrets as served

    del folder
    client = stack.enter_context(served())

    def lose(name: str) -> None:
        client.delete_secret(SecretId=f"telemetry-{name}", ForceDeleteWithoutRecovery=True)

    def put(name: str, content: bytes) -> None:
        # The service takes no empty content: one byte is as wrong.
        client.put_secret_value(SecretId=f"telemetry-{name}", SecretBinary=content or b"x")

    secrets = connect("eu-west-1", "telemetry")
    return Place(clock, lambda: SecretManagerKeystore(secrets, now=clock), lose, put)


def vault(folder: Path, clock: Clock, stack: ExitStack) -> Place:
    from pipeline.io.keys.secret_manager import SecretManagerKeystore
    from pipeline.io.keys.vault_api import VaultSecrets
    from pipeline.settings.vault_access import VaultAccess
    from tests.integration.services.vault import running

    del folder, stack
    server = running()
    assert server is not None
    mount = server.mount()
    kv = server.root.secrets.kv.v2

    def lose(name: str) -> None:
        kv.delete_secret_versions(f"telemetry/keys-{name}", [1], mount_point=mount)

    def put(name: str, content: bytes) -> None:
        path, text = f"telemetry/keys-{name}", base64.b64encode(content).decode()
        kv.delete_metadata_and_all_versions(path, mount_point=mount)
        kv.create_or_update_secret(path, {"key": text}, mount_point=mount)

    access = VaultAccess(server.address, server.token("expirer", mount))
    secrets = VaultSecrets(access.client, mount, "telemetry/keys")
    return Place(clock, lambda: SecretManagerKeystore(secrets, now=clock), lose, put)


STORES: Mapping[str, Callable[[Path, Clock, ExitStack], Place]] = {
    "local": local,
    "gcp-sm": secret_manager,
    "aws-sm": aws_secrets,
    "vault": vault,
}
_NEEDS: Mapping[str, Callable[[], bool]] = {"gcp-sm": google_is_here, "vault": vault_is_here}
HERE = [name for name in STORES if name not in _NEEDS or _NEEDS[name]()]
"""The stores that can be asked in this process."""
