"""Keys and secrets in Vault: OpenBao's server, asked with the rights that `deploy/vault` gives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.services import vault

ROOT = Path(__file__).parents[2]
FILES = [
    "tests/unit/io/keys/test_keystore.py",
    "tests/unit/io/keys/test_silence.py",
    "tests/unit/io/keys/test_vault_api.py",
    "tests/unit/io/parquet/test_encryption_stores.py",
    "tests/unit/settings/references/test_vault.py",
]


@pytest.mark.service
def test_vault_keeps_what_every_keystore_promises(tmp_path: Path) -> None:
    """In a process of its own, which finds a server."""
    command = [sys.executable, "-m", "pytest", "-q", "-k", "vault"]
    with vault.vault(tmp_path) as server:
        environment = {**os.environ, vault.RUNNING: server.address}
        done = subprocess.run(
            [*command, *FILES],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
