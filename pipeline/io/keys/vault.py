"""HashiCorp Vault, or OpenBao, as a key store: how settings name it, and what opens it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.io.keys.kind import KeystoreKind

if TYPE_CHECKING:
    from pipeline.io.keys.keystore import Keystore


def _open(reference: str, *, now: Callable[[], datetime], retention_days: int) -> Keystore:
    from pipeline.io.keys.secret_manager import SecretManagerKeystore
    from pipeline.io.keys.vault_api import VaultSecrets
    from pipeline.settings.vault_access import vault_access

    mount, _, prefix = reference.partition(":")[2].partition("/")
    service = VaultSecrets(vault_access().client, mount, prefix)
    return SecretManagerKeystore(service, now=now, retention_days=retention_days)


VAULT = KeystoreKind(
    "vault:MOUNT/PREFIX",
    re.compile(r"vault:[A-Za-z0-9_-]{1,100}(/[A-Za-z0-9_-]{1,100}){1,5}"),
    "HashiCorp Vault or OpenBao, in a key-value engine of version 2, as secrets whose paths begin "
    "with a prefix of your choice.",
    _open,
)
