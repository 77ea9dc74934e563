"""Every kind of source of the registry declares what settings, runs, the audit and docs use."""

from __future__ import annotations

import dataclasses
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.io.source_kind import SourceKind
from pipeline.io.source_kinds import KINDS, NAMES
from pipeline.settings.source import SourceSettings
from tests.unit.io.kinds import around

COMMON = {field.name for field in dataclasses.fields(SourceSettings)}
GIVEN: dict[str, dict[str, Any]] = {
    "FileSourceSettings": {"files": ("in",)},
    "KafkaSourceSettings": {"servers": ("broker:9092",), "topic": "sessions"},
}
"""What each kind needs; a further kind has a line here."""


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> type[SourceKind]:
    found: type[SourceKind] = request.param
    return found


def test_a_kind_is_told_by_settings_of_its_own(kind: type[SourceKind]) -> None:
    own = {field.name for field in dataclasses.fields(kind)} - COMMON
    assert kind.NEEDS
    assert set(kind.NEEDS) == set(GIVEN[kind.__name__])
    assert own >= {*kind.NEEDS, *kind.PATHS, *kind.FOLDERS}
    assert own >= {flag.setting for flag in kind.FLAGS}
    assert kind.WHAT
    assert all(f"{setting} = " in kind.EXAMPLE for setting in kind.NEEDS)


def test_kinds_share_no_setting_flag_or_name_in_the_log() -> None:
    settings = [f.name for kind in KINDS for f in dataclasses.fields(kind) if f.name not in COMMON]
    flags = [flag.name for kind in KINDS for flag in kind.FLAGS]
    names = [name for kind in KINDS for name in kind.NAMES]
    for given in (settings, flags, names, [kind.FLAGGED for kind in KINDS]):
        assert len(set(given)) == len(given)
    assert set(NAMES) == set(names)
    for one in NAMES.values():
        assert re.fullmatch(one.positions, "") is None
        assert re.fullmatch(one.marks, "") is None


def test_a_kind_becomes_a_source_that_travels(kind: type[SourceKind], tmp_path: Path) -> None:
    settings = dataclasses.replace(kind(), **GIVEN[kind.__name__])
    source = settings.make(around(tmp_path))
    assert (source.name, source.event) == ("logs", "session")
    travelled = pickle.loads(pickle.dumps(source))
    assert (type(travelled), travelled.name) == (type(source), "logs")
    assert settings.told()
    assert list(tmp_path.iterdir()) == []
