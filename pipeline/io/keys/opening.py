"""From where the settings say that keys are to the keystore: a folder, or a secret manager.

None                                       <state>/keys
gcp-sm:projects/PROJECT/secrets/PREFIX     Google Cloud Secret Manager
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pipeline.io.keys.keystore import Keystore
from pipeline.io.keys.local import LocalKeystore


def open_keys(
    folder: Path,
    reference: str | None = None,
    *,
    now: Callable[[], datetime],
    retention_days: int,
) -> Keystore:
    """Open the keystore that `reference` names, or the local one in `folder`.

    Raises KeyUnavailable or EnvironmentProblem if it cannot be used.
    """
    if reference is None:
        return LocalKeystore(folder, now=now, retention_days=retention_days)
    from pipeline.io.keys.google_api import connect
    from pipeline.io.keys.secret_manager import SecretManagerKeystore

    _, _, path = reference.partition(":")
    _, project, _, prefix = path.split("/")
    service = connect(project, prefix)
    return SecretManagerKeystore(service, now=now, retention_days=retention_days)
