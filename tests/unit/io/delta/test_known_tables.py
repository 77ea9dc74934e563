"""Notes of tables: what was met once is missed when it is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem, TableGone
from pipeline.io.delta.known_tables import KnownTables
from pipeline.io.state_folder import place_of

ROOT = "/srv/lake"
TABLE = f"{ROOT}/events/api_request"


@pytest.fixture
def known(tmp_path: Path) -> KnownTables:
    return KnownTables(tmp_path / "tables", ROOT)


def another_process(known: KnownTables) -> KnownTables:
    return KnownTables(known.folder, known.root)


def test_what_was_noted_is_missed_by_every_process(known: KnownTables) -> None:
    known.require_unknown(TABLE)
    known.note(TABLE)
    for asked in (known, another_process(known)):
        with pytest.raises(TableGone, match="keys adopt"):
            asked.require_unknown(TABLE)


def test_a_note_is_of_one_table_of_one_lake(known: KnownTables) -> None:
    known.note(TABLE)
    known.require_unknown(f"{ROOT}/events/session")
    known.require_unknown(f"{ROOT}/restricted/api_request")
    other = KnownTables(known.folder, "s3://bucket/lake")
    other.require_unknown("s3://bucket/lake/events/api_request")
    assert other.tables() == ()


def test_notes_tell_the_tables_of_their_lake(known: KnownTables) -> None:
    assert known.tables() == ()
    for path in ("rejections", "events/api_request", "restricted/api_request"):
        known.note(f"{ROOT}/{path}")
    expected = ("events/api_request", "rejections", "restricted/api_request")
    assert another_process(known).tables() == expected


def test_a_note_is_an_empty_private_file_that_the_state_folder_declares(known: KnownTables) -> None:
    known.note(TABLE)
    (path,) = known.folder.iterdir()
    assert path.read_bytes() == b""
    assert path.stat().st_mode & 0o777 == 0o600
    assert place_of(str(path.relative_to(known.folder.parent))) is not None


def test_what_is_forgotten_may_be_begun_and_noted_again(known: KnownTables) -> None:
    known.note(TABLE)
    known.forget("events/api_request")
    known.require_unknown(TABLE)
    known.note(TABLE)
    assert known.tables() == ("events/api_request",)


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "tables").touch()
    with pytest.raises(EnvironmentProblem, match="notes of tables"):
        KnownTables(tmp_path / "tables", ROOT).note(TABLE)
