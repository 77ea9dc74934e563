"""Settings of services: secrets by reference only, addresses without credentials."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.declared import load_settings
from pipeline.errors import SettingsError


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('[kafka]\npassword = "hunter2"', "expected a reference"),
        ('[kafka]\ntoken_endpoint = "login.example"', "without user and password"),
        (
            '[kafka]\ntoken_endpoint = "https://a:hunter2@host"',
            "without user and password",
        ),
        ('[kafka]\ntoken_extensions = "hunter2"', "a table of texts"),
        ('[kafka]\nmechanism = "OAUTH"', "OAUTHBEARER"),
        ('[lineage]\nauthorization = "hunter2"', "expected a reference"),
    ],
)
def test_what_is_refused_is_told_and_not_repeated(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "telemetry.toml"
    file.write_text(line)
    with pytest.raises(SettingsError, match=said) as caught:
        load_settings(file, environ={})
    assert "hunter2" not in str(caught.value)
