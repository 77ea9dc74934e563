"""Keys in the cloud's secret manager, over Google's own client and a real connection."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.services import secret_manager

ROOT = Path(__file__).parents[2]
FILES = [
    "tests/unit/io/keys/test_google_api.py",
    "tests/unit/io/keys/test_keystore.py",
    "tests/unit/io/keys/test_silence.py",
    "tests/unit/io/keys/test_secret_manager.py",
    "tests/unit/io/parquet/test_encryption_stores.py",
    "tests/unit/settings/references/test_google.py",
]


@pytest.mark.service
def test_the_secret_manager_keeps_what_every_keystore_promises() -> None:
    """In a process of its own: see `services.secret_manager`."""
    command = [sys.executable, "-m", "pytest", "-q", "-k", "manager or gcp-sm"]
    environment = {**os.environ, "PYTHONPATH": str(secret_manager.client_folder())}
    done = subprocess.run(
        [*command, *FILES], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
