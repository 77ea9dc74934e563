"""Google Cloud Secret Manager as a key store: how settings name it, and what opens it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.io.keys.kind import KeystoreKind

if TYPE_CHECKING:
    from pipeline.io.keys.keystore import Keystore


def _open(reference: str, *, now: Callable[[], datetime], retention_days: int) -> Keystore:
    from pipeline.io.keys.google_api import connect
    from pipeline.io.keys.secret_manager import SecretManagerKeystore

    _, _, path = reference.partition(":")
    _, project, _, prefix = path.split("/")
    service = connect(project, prefix)
    return SecretManagerKeystore(service, now=now, retention_days=retention_days)


SECRET_MANAGER = KeystoreKind(
    "gcp-sm:projects/PROJECT/secrets/PREFIX",
    re.compile(r"gcp-sm:projects/[a-z0-9-]{1,63}/secrets/[A-Za-z0-9_-]{1,200}"),
    "Google Secret Manager to keep keys in, as secrets whose names begin with a prefix of your "
    "choice.",
    _open,
)
