"""The settings of files become a source, and what they name is looked for before anything opens."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.files.source import FileSource, FileSourceSettings
from pipeline.io.files.standard_input import StandardInput
from tests.unit.io.kinds import around


def test_files_are_described_with_the_claims_of_the_state_folder(tmp_path: Path) -> None:
    source = FileSourceSettings(files=("in",)).make(around(tmp_path, header=b"#Fields: "))
    assert isinstance(source, FileSource)
    assert (source.paths, source.header) == (("in",), b"#Fields: ")
    assert source.claims == tmp_path / "claims"
    assert source.key() == b"files"


def test_a_dash_alone_is_standard_input(tmp_path: Path) -> None:
    piped = FileSourceSettings(files=("-",))
    assert isinstance(piped.make(around(tmp_path)), StandardInput)
    assert piped.look() == "standard input"


def test_files_that_are_not_there_are_refused_and_others_counted(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(b"{}\n")
    assert FileSourceSettings(files=(str(tmp_path),)).look() == "1 file"
    with pytest.raises(EnvironmentProblem):
        FileSourceSettings(files=(str(tmp_path / "none"),)).look()
