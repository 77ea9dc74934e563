"""What settings name is looked for, and nothing is made."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pipeline.cli.wiring.checking import problems_of
from pipeline.io.files.source import FileSourceSettings
from pipeline.settings import Secret, Settings
from pipeline.settings.sections import CatalogueSettings, StateSettings
from pipeline.settings.table import Table
from pipeline.settings.values import secret


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


def test_every_reference_to_a_secret_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOBODY_SET_IT", raising=False)
    sections, names = {}, set()
    for section in dataclasses.fields(Settings):
        default = getattr(Settings(), section.name)
        fields = dataclasses.fields(default) if dataclasses.is_dataclass(default) else ()
        missing = {
            field.name: Secret("env:NOBODY_SET_IT")
            for field in fields
            if field.metadata.get("type") is secret
        }
        if missing:
            sections[section.name] = dataclasses.replace(default, **missing)
            names |= {f"{section.name}.{name}" for name in missing}
    assert "lineage.authorization" in names
    problems = problems_of(dataclasses.replace(Settings(), **sections))
    assert {problem.where for problem in problems} == names
