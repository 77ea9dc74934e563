"""Secrets are looked up when they are needed, and no error names what was looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem, SettingsError
from pipeline.settings import Secret
from pipeline.settings.secrets import reveal


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


def test_the_secret_manager_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "google.cloud.secretmanager", None)
    with pytest.raises(EnvironmentProblem, match="gcp-sm"):
        reveal(Secret("gcp-sm:projects/p/secrets/s/versions/1"), "kafka.password", {})
