"""Settings know the kinds of source and the stores of keys that they are told, and no others."""

from __future__ import annotations

import re

import pytest

from pipeline.errors import SettingsError
from pipeline.io.files.source import FileSourceSettings
from pipeline.settings.declared import DeclaredKinds, KeyReference
from pipeline.settings.load import load_settings
from pipeline.settings.sections import StateSettings

VAULT = KeyReference("vault:NAME", re.compile("vault:[a-z]+"), "A vault.")
FOLDER = KeyReference("folder:PATH", re.compile("folder:/.+"), "A folder.")


def test_the_setting_of_keys_takes_what_stores_declare() -> None:
    declared = DeclaredKinds((), (VAULT, FOLDER))
    keys = {one.name: one for one in declared.settings_of(StateSettings())}["keys"]
    assert keys.type.says == "vault:NAME or folder:PATH"
    assert keys.says == "A vault. A folder. Default: `keys/` in the folder."
    found = load_settings(declared, environ={"TELEMETRY_STATE_KEYS": "folder:/a"})
    assert found.state.keys == "folder:/a"
    with pytest.raises(SettingsError):
        load_settings(DeclaredKinds((), (VAULT,)), environ={"TELEMETRY_STATE_KEYS": "folder:/a"})


def test_settings_of_a_kind_that_is_not_declared_do_not_exist() -> None:
    assert "files" in DeclaredKinds((FileSourceSettings,), ()).source_settings()
    assert list(DeclaredKinds((), ()).source_settings()) == ["event", "format", "envelope"]
