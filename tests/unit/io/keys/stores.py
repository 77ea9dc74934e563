"""How a test opens each store of keys, and breaks it behind its back: one function for each.

The key of `STORES` is the scheme of the store's references; `local` is the state folder.
"""

from __future__ import annotations

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


STORES: Mapping[str, Callable[[Path, Clock, ExitStack], Place]] = {
    "local": local,
    "gcp-sm": secret_manager,
    "aws-sm": aws_secrets,
}
NEEDS_A_CLIENT = {"gcp-sm"}
"""Left out where Google's client is not installed."""
