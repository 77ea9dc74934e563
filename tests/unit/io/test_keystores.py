"""A reference in the settings leads to the keystore that it names."""

from __future__ import annotations

import pickle
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from pipeline.cli.declared import load_settings
from pipeline.errors import EnvironmentProblem, SettingsError
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.keystores import open_keys

REFERENCE = "gcp-sm:projects/astack-prod/secrets/telemetry"


def now() -> datetime:
    return datetime(2026, 11, 24, tzinfo=UTC)


def test_without_a_reference_keys_are_in_the_folder(tmp_path: Path) -> None:
    opener = partial(open_keys, tmp_path / "keys", None, now=now, retention_days=90)
    store = pickle.loads(pickle.dumps(opener))()
    assert isinstance(store, LocalKeystore)
    assert (tmp_path / "keys" / "index.json").exists()


def test_the_secret_manager_needs_its_extra_and_makes_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.secretmanager", None)
    with pytest.raises(EnvironmentProblem, match=r"telemetry-pipeline\[gcp\]"):
        open_keys(tmp_path / "keys", REFERENCE, now=now, retention_days=90)
    assert not (tmp_path / "keys").exists()


def test_the_setting_takes_a_reference(tmp_path: Path) -> None:
    settings = load_settings(environ={"TELEMETRY_STATE_KEYS": REFERENCE})
    assert settings.state.keys == REFERENCE


@pytest.mark.parametrize(
    "reference",
    [
        "telemetry",
        "projects/p/secrets/telemetry",
        "gcp-sm:projects/p",
        "gcp-sm:projects/p/secrets/telemetry/versions/1",
        "gcp-sm:projects/p/secrets/../telemetry",
        "env:KEY",
    ],
)
def test_anything_else_is_refused(reference: str) -> None:
    with pytest.raises(SettingsError, match="gcp-sm:projects/PROJECT/secrets/PREFIX"):
        load_settings(environ={"TELEMETRY_STATE_KEYS": reference})
