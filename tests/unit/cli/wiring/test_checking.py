"""What settings name is looked for, and nothing is made."""

from __future__ import annotations

from pathlib import Path

from pipeline.cli.wiring.checking import problems_of
from pipeline.io.files.source import FileSourceSettings
from pipeline.settings import Settings
from pipeline.settings.sections import CatalogueSettings, StateSettings
from pipeline.settings.table import Table


def test_defaults_have_no_problem() -> None:
    assert problems_of(Settings()) == []


def test_a_catalogue_that_does_not_load_is_one_problem(tmp_path: Path) -> None:
    settings = Settings(
        state=StateSettings(tmp_path / "state"),
        catalogue=CatalogueSettings(tmp_path / "none"),
        sources=Table({"a": FileSourceSettings(event="session", files=(str(tmp_path),))}),
    )
    problems = problems_of(settings)
    assert [problem.page for problem in problems] == ["environment"]
    assert not (tmp_path / "state").exists()
