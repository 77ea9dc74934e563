"""The schema that editors use agrees with what the loader takes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import jsonschema
import pytest

from pipeline.cli.commands.reference import configuration_page
from pipeline.cli.declared import DECLARED, load_settings
from pipeline.errors import SettingsError
from pipeline.settings.json_schema import settings_schema

VALIDATOR = jsonschema.Draft7Validator(settings_schema(DECLARED))


def loads(folder: Path, text: str) -> bool:
    file = folder / "telemetry.toml"
    file.write_text(text)
    try:
        load_settings(file, environ={})
    except SettingsError:
        return False
    return True


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(settings_schema(DECLARED))


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (configuration_page().partition("```toml\n")[2].partition("```")[0], True),
        ('"$schema" = "./x.json"\n', True),
        ('[flush]\ninterval = "15s"\nbytes = "64MiB"\n', True),
        ('[flush]\ninterval = "soon"\n', False),
        ("[privacy]\nipv4_bits = 24\n", True),
        ("[privacy]\nipv4_bits = 25\n", False),
        ("[privacy]\nipv4_bts = 8\n", False),
        ("[privcy]\n", False),
        ('[kafka]\npassword = "env:PASSWORD"\n', True),
        ('[kafka]\npassword = "hunter2"\n', False),
        ("[kafka]\nread_committed = true\n", True),
        ("[kafka]\nread_committed = 1\n", False),
        ('[lake]\nencryption = "epoch"\n[lake.storage]\nregion = "eu"\n', True),
        ('[lake]\nencryption = "yes"\n', False),
        ('[sources.a]\nfiles = ["x"]\n', False),
        ('[sources.a]\nevent = "session"\nfiles = ["x"]\ntopic = "t"\nservers = ["s:1"]\n', False),
        ('[state]\nkeys = "gcp-sm:projects/p-1/secrets/prefix"\n', True),
        ('[state]\nkeys = "here"\n', False),
    ],
)
def test_schema_and_loader_agree(tmp_path: Path, text: str, valid: bool) -> None:
    assert VALIDATOR.is_valid(tomllib.loads(text)) is valid
    assert loads(tmp_path, text) is valid


def test_every_setting_has_a_description() -> None:
    text = str(settings_schema(DECLARED))
    assert text.count("'description'") > 40
    assert "Default: 15m." in text
