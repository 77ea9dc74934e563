"""Secrets are looked up when they are needed, and no error names what was looked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.cli.declared import load_settings
from pipeline.errors import SettingsError
from pipeline.settings import Secret
from pipeline.settings.secrets import MANAGERS, reveal
from pipeline.settings.values import secret


def test_secrets_are_revealed_from_environment_and_file_only_when_there(tmp_path: Path) -> None:
    secret_file = tmp_path / "secret"
    secret_file.write_text("from file\n")
    assert reveal(Secret("env:A"), "kafka.password", {"A": "from env"}) == "from env"
    assert reveal(Secret(f"file:{secret_file}"), "kafka.password", {}) == "from file"
    for reference in ("env:MISSING", f"file:{tmp_path / 'none'}"):
        with pytest.raises(SettingsError) as refused:
            reveal(Secret(reference), "kafka.password", {})
        assert refused.value.where == "kafka.password"
        assert "MISSING" not in str(refused.value)


@pytest.mark.parametrize(
    ("reference", "taken"),
    [
        ("gcp-sm:projects/p/secrets/s/versions/1", True),
        ("aws-sm:kafka/user#name", True),
        ("azure-kv:telemetry.vault.azure.net/kafka-password", True),
        ("azure-kv:telemetry.vault.azure.net", False),
        ("azure-kv:user@host/name", False),
        ("vault:secret/telemetry/kafka#password", True),
        ("vault:secret/telemetry/kafka", False),
        ("vault:secret#password", False),
        ("hunter2", False),
    ],
)
def test_a_setting_takes_references_of_every_scheme(reference: str, taken: bool) -> None:
    if taken:
        settings = load_settings(environ={"TELEMETRY_KAFKA_PASSWORD": reference})
        assert settings.kafka.password == Secret(reference)
        return
    with pytest.raises(SettingsError, match="vault:MOUNT/PATH#ENTRY"):
        load_settings(environ={"TELEMETRY_KAFKA_PASSWORD": reference})


def test_every_scheme_that_a_setting_takes_has_a_reader() -> None:
    pattern = str(secret.shape["pattern"])
    named = set(re.findall(r"([a-z-]+):", pattern.replace("(:", "")))
    assert named == {"env", "file", *MANAGERS}
