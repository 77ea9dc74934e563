"""Keys in a second folder, `state.keys = "folder:/mnt/keys"`, on another disk than the state."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pipeline.io.keys.keystore import Keystore
from pipeline.io.keys.kind import KeystoreKind


def _open(reference: str, *, now: Callable[[], datetime], retention_days: int) -> Keystore:
    from pipeline.io.keys.local import LocalKeystore

    folder = Path(reference.partition(":")[2])
    return LocalKeystore(folder, now=now, retention_days=retention_days)


FOLDER = KeystoreKind("folder:/PATH", re.compile("folder:/.+"), "A folder to keep keys in.", _open)
