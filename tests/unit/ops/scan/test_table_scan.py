"""Tables: every log is read, every file compared with it and read row by row."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.io.tree import tree_of
from pipeline.ops.rights.erasure import Subjects, merged
from pipeline.ops.scan.declared import Sought
from pipeline.ops.scan.findings import Finding, Scanned
from pipeline.ops.scan.findings import merged as together
from pipeline.ops.scan.log_scan import LOG
from pipeline.ops.scan.parquet_scan import COLUMNS, READABLE
from pipeline.ops.scan.places import LAKE, TableGrammar
from pipeline.ops.scan.table_scan import EXPIRED, OLD_VERSIONS, TableScan, table_of
from pipeline.ops.scan.walk import ORPHANS, walk
from tests.unit.ops.sound import EVENT, KIND, NOW, Sound

ROWS = [{"account_id": name, "plan": "pro"} for name in ("alice", "bob", "alice")]


@pytest.fixture
def sound(tmp_path: Path) -> Sound:
    made = Sound(tmp_path)
    made.store(ROWS)
    made.lake.close()
    return made


def scan(sound: Sound, *sought: Sought, days: int = 0, **changes: object) -> Scanned:
    tree = tree_of(sound.lake)
    walked = walk("lake", tree, TableGrammar(LAKE, sound.declared.known))
    tables = TableScan(
        sound.lake,
        sound.declared,
        tree,
        walked,
        NOW + timedelta(days=days),
        sought,
        frozenset(),
        frozenset(),
        lambda _: None,
    )
    return together(replace(tables, **changes).run())  # type: ignore[arg-type]


def checks(scanned: Scanned) -> set[str]:
    return {check for one in scanned.findings for check in one.checks}


def the(scanned: Scanned) -> Finding:
    (one,) = scanned.findings
    return one


def test_what_the_pipeline_stores_is_sound_and_read_whole(sound: Sound) -> None:
    scanned = scan(sound)
    assert (scanned.findings, scanned.doubts) == ((), ())
    assert (scanned.files, scanned.rows) == (1, 3)


def test_a_file_that_no_commit_names_is_found_unless_its_writer_is_alive(sound: Sound) -> None:
    (part,) = sound.parts()
    other = part.with_name(f"part-{'0' * 12}-{'1' * 32}.parquet")
    shutil.copy(part, other)
    found = the(scan(sound))
    assert (found.checks, Path(found.place).name) == ((ORPHANS,), other.name)
    assert scan(sound, alive=frozenset({"0" * 12})).findings == ()


def test_a_file_that_a_commit_removed_and_that_is_still_there_is_found(sound: Sound) -> None:
    sound.table.rewrite(sound.table.snapshot().files, metadata={"job": "expire"})
    assert OLD_VERSIONS in checks(scan(sound))
    sound.table.vacuum()
    assert OLD_VERSIONS not in checks(scan(sound))


def test_a_file_that_the_log_names_and_that_is_gone_is_found(sound: Sound) -> None:
    sound.parts()[0].unlink()
    found = the(scan(sound))
    assert found.checks == (READABLE,)
    assert "it is not there" in found.reason


def test_a_day_beyond_its_time_or_ahead_of_it_is_found(sound: Sound) -> None:
    day = next(iter(sound.table.snapshot().by_day()))
    assert scan(sound, days=89).findings == ()
    assert the(scan(sound, days=90)).checks == (EXPIRED,)
    assert scan(sound, days=90, held=frozenset({day})).findings == ()
    assert "yet to come" in the(scan(sound, days=-2)).reason


def test_rows_of_somebody_whose_rows_must_be_gone_are_found_and_not_named(sound: Sound) -> None:
    (person,) = sound.people("alice")
    subjects = Subjects(KIND, merged([person.subjects]))
    everywhere = Sought("erased_rows_gone", ("events", "restricted"), subjects, "an erased account")
    found = the(scan(sound, everywhere))
    assert (found.checks, found.reason, found.count) == (
        ("erased_rows_gone",),
        "an erased account",
        1,
    )
    assert not any(token in str(found) for token in person.subjects.values())
    assert scan(sound, replace(everywhere, tables=("restricted",))).findings == ()


@pytest.mark.parametrize("content", [b"", b"PAR1", b"alice@example.com"])
def test_a_file_that_cannot_be_read_is_found(sound: Sound, content: bytes) -> None:
    sound.parts()[0].write_bytes(content)
    scanned = scan(sound)
    assert READABLE in checks(scanned)
    assert "alice" not in "".join(map(str, scanned.findings))


def test_a_file_with_other_rows_than_the_log_says_is_found(sound: Sound) -> None:
    (part,) = sound.parts()
    other = Sound(sound.folder / "other")
    other.store(ROWS[:1])
    shutil.copy(other.parts()[0], part)
    assert {COLUMNS, LOG} <= checks(scan(sound))


def test_files_of_a_table_without_a_log_are_found(sound: Sound) -> None:
    shutil.rmtree(Path(sound.table.log.uri) / "_delta_log")
    assert {LOG, ORPHANS} <= checks(scan(sound))


@pytest.mark.parametrize(
    ("path", "table"),
    [
        (f"events/{EVENT}", f"events/{EVENT}"),
        (f"restricted/{EVENT}/_delta_log/0.json", f"restricted/{EVENT}"),
        ("rejections/ingest_date=2026-11-01", "rejections"),
        ("events", ""),
        ("rollups/requests", ""),
        ("", ""),
    ],
)
def test_a_path_belongs_to_a_table_or_to_none(path: str, table: str) -> None:
    assert table_of(path) == table
