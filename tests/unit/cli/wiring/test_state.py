"""A run does not use a state folder that other accounts may look into."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.declared import load_settings
from pipeline.cli.wiring.state import open_private_state, open_state, state_places
from pipeline.errors import EnvironmentProblem
from pipeline.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(None, environ={"TELEMETRY_STATE": str(tmp_path / "state")})


def test_a_new_state_folder_is_private(settings: Settings) -> None:
    assert open_private_state(settings).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o701, 0o770])
def test_a_run_refuses_a_folder_that_is_open_to_others(settings: Settings, mode: int) -> None:
    open_state(settings).chmod(mode)
    with pytest.raises(EnvironmentProblem) as refused:
        open_private_state(settings)
    assert refused.value.remedy == f"Run: chmod 0700 {settings.state.path}"


def test_looking_for_places_makes_nothing(settings: Settings, tmp_path: Path) -> None:
    assert state_places(settings).optouts == tmp_path / "state" / "optout.ndjson"
    assert not (tmp_path / "state").exists()
