"""What a kind of source has without declaring it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.io.source_kind import NamesInLog, SourceKind
from tests.unit.io.kinds import around


def test_a_kind_says_itself_what_is_made_of_it(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError):
        SourceKind().make(around(tmp_path))


def test_nothing_is_looked_for_unless_a_kind_says_what() -> None:
    assert SourceKind().look() == ""
    assert NamesInLog("outbox").marks == "(?!)"
