"""One scan of a lake: places, logs, rows, publications, and tokens across key epochs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.io.lake.publications import RollupStore
from pipeline.io.parquet.encoding import part_writer
from pipeline.ops.scan.lake_scan import EPOCHS, scan_lake
from pipeline.ops.scan.parquet_scan import READABLE
from pipeline.ops.scan.published_scan import CELLS
from pipeline.ops.scan.walk import PLACES
from tests.unit.ops.sound import NOW, Sound


@pytest.fixture
def sound(tmp_path: Path) -> Sound:
    made = Sound(tmp_path)
    made.store([{"account_id": "alice"}, {"account_id": "bob"}])
    made.lake.close()
    return made


def findings(sound: Sound) -> list[tuple[tuple[str, ...], str]]:
    scanned = scan_lake(sound.lake, sound.declared, NOW)
    return [(one.checks, one.place) for one in scanned.findings]


def test_a_sound_lake_is_scanned_whole_and_changed_by_nothing(sound: Sound) -> None:
    before = sorted(path for path in sound.folder.rglob("*"))
    scanned = scan_lake(sound.lake, sound.declared, NOW)
    assert (scanned.findings, scanned.doubts) == ((), ())
    assert (scanned.files, scanned.rows) == (1, 2)
    assert sorted(path for path in sound.folder.rglob("*")) == before


def test_a_lake_that_is_not_there_has_nothing_to_find(tmp_path: Path) -> None:
    assert scan_lake(Sound(tmp_path).lake, Sound(tmp_path).declared, NOW).findings == ()


def test_what_no_rule_names_is_found_anywhere(sound: Sound) -> None:
    (Path(sound.lake.root) / "export.csv").write_text("alice")
    (Path(sound.lake.root) / "export.csv").chmod(0o600)
    assert findings(sound) == [((PLACES,), "lake/export.csv")]


@pytest.mark.parametrize("name", ["manifest.json", "requests/requests.parquet"])
def test_publications_are_compared_with_the_registry(sound: Sound, name: str) -> None:
    path = Path(sound.lake.root) / "rollups" / name
    RollupStore(sound.lake.root).write("requests", pa.table({"a": [1]}), {})
    path.write_bytes(b'{"note": "alice"}')
    scanned = scan_lake(sound.lake, sound.declared, NOW)
    assert any(CELLS in one.checks for one in scanned.findings)
    unread = [one for one in scanned.findings if READABLE in one.checks]
    assert bool(unread) is name.endswith(".parquet")
    assert "alice" not in "".join(map(str, scanned.findings))


def test_a_token_that_stands_in_two_key_epochs_is_found(sound: Sound) -> None:
    """A day's file copied to a day of another epoch, with tokens and all."""
    (part,) = sound.parts()
    table = pq.read_table(part, partitioning=None)
    name = hashlib.sha256(b"x").hexdigest()[:32]
    other = part.parent.with_name("event_date=2026-10-20") / f"part-{'0' * 12}-{name}.parquet"
    other.parent.mkdir(mode=0o750)
    with other.open("wb") as sink, part_writer(sink, table.schema) as file:
        file.write_table(table)
    assert ((EPOCHS,), "lake, subject of epochs 4weeks-0036 and 4weeks-0037") in findings(sound)
