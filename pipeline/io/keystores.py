"""Every key store besides the state folder, one line each, and how to open the configured one.

Without a reference, keys are in `<state>/keys` (`keys.local`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import SettingsError
from pipeline.io.keys.aws import AWS_SECRETS
from pipeline.io.keys.google import SECRET_MANAGER
from pipeline.io.keys.kind import KeystoreKind
from pipeline.io.keys.vault import VAULT

if TYPE_CHECKING:
    from pipeline.io.keys.keystore import Keystore

KINDS: tuple[KeystoreKind, ...] = (SECRET_MANAGER, AWS_SECRETS, VAULT)


def open_keys(
    folder: Path,
    reference: str | None = None,
    *,
    now: Callable[[], datetime],
    retention_days: int,
    kinds: tuple[KeystoreKind, ...] = KINDS,
) -> Keystore:
    """Open the keystore that `reference` names, or the local one in `folder`.

    Raises KeyUnavailable or EnvironmentProblem if it cannot be used.
    """
    if reference is None:
        from pipeline.io.keys.local import LocalKeystore

        return LocalKeystore(folder, now=now, retention_days=retention_days)
    for kind in kinds:
        if kind.pattern.fullmatch(reference):
            return kind.open(reference, now=now, retention_days=retention_days)
    raise SettingsError("No store of keys has a reference of this form", where="state.keys")
