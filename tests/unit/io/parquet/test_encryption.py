"""Encrypted files: written, opened with their epoch's key and no other, mixed with plain ones."""

from __future__ import annotations

import base64
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import KeyUnavailable
from pipeline.io.folder_bytes import read_contents
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.orphans import is_revealed, writer_of
from pipeline.io.parquet.encoding import ROWS_PER_GROUP, PartKind
from pipeline.io.parquet.encryption import Encryption, label_of
from pipeline.privacy.identity.epochs import EpochKind, epoch_of
from tests.unit.io.lakes import (
    DAYS,
    EVENT,
    NOW,
    SCHEMA,
    batch,
    expected,
    logged,
    table_of,
)

LABELS = [f"day-{(day - date(2024, 1, 1)).days:04d}" for day in DAYS]


@dataclass(frozen=True)
class Place:
    """A lake whose days have keys of their own."""

    folder: Path

    def keys(self, state: str = "state") -> LocalKeystore:
        return LocalKeystore(self.folder / state / "keys", now=lambda: NOW)

    def lake(self, kind: EpochKind | None = EpochKind.DAY, state: str = "state") -> Lake:
        encryption = Encryption(lambda: self.keys(state), kind)
        return Lake(str(self.folder / "lake"), encryption=encryption)

    @property
    def parts(self) -> list[Path]:
        return sorted((self.folder / "lake" / "events").glob("*/event_date=*/*.parquet"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def opens(lake: Lake) -> dict[str, Callable[[], object]]:
    """Every way in which files of a lake are opened."""
    table = table_of(lake)
    paths = [file.path for file in table.snapshot().files]

    def dataset() -> object:
        found = table.dataset(paths)
        assert found is not None
        return found.to_table()

    return {
        "read": lambda: [table.storage.read(path) for path in paths],
        "open_part": lambda: [table.storage.open_part(path).read() for path in paths],
        "dataset": dataset,
        "contents": lambda: list(read_contents(Path(lake.root), lake.encryption)),
    }


def test_every_reader_gets_what_was_written(place: Place) -> None:
    lake = place.lake()
    table_of(lake).commit(batch(0, 20))
    assert logged(lake) == expected(0, 20)
    for name, read in opens(place.lake(None)).items():
        rows = read()
        if name == "dataset":
            assert isinstance(rows, pa.Table)
            assert sorted(rows["subject"].to_pylist()) == expected(0, 20)
            assert rows.schema.field("event_hour").metadata == {b"unit": b"hour"}


def test_a_file_says_in_its_name_which_key_it_needs_and_nothing_else(place: Place) -> None:
    table_of(place.lake()).commit(batch(0, 20))
    paths = [f"{part.parent.name}/{part.name}" for part in place.parts]
    assert [label_of(path) for path in paths] == LABELS
    assert all(writer_of(path) and is_revealed(path) for path in paths)


def test_no_byte_of_a_value_or_a_column_name_is_readable(place: Place) -> None:
    table_of(place.lake()).commit(batch(0, 20))
    for part in place.parts:
        data = part.read_bytes()
        assert (data[:4], data[-4:]) == (b"PARE", b"PARE")
        assert b"abc-" not in data
        assert b"subject" not in data
    table_of(place.lake(None)).commit(batch(20, 40))
    plain = [part.read_bytes() for part in place.parts if label_of(part.name) is None]
    assert [b"abc-" in data and b"subject" in data for data in plain] == [True, True]


def test_plain_and_encrypted_files_of_several_epochs_are_one_table(place: Place) -> None:
    table_of(place.lake(None)).commit(batch(0, 10))
    table_of(place.lake()).commit(batch(10, 20))
    table_of(place.lake(EpochKind.WEEK)).commit(batch(20, 30))
    table_of(place.lake(None)).commit(batch(30, 40))
    weeks = {epoch_of(day, EpochKind.WEEK).name for day in DAYS}
    assert {label_of(part.name) for part in place.parts} == {None, *LABELS, *weeks}
    for lake in (place.lake(), place.lake(None)):
        assert logged(lake) == expected(0, 40)
        rows = opens(lake)["dataset"]()
        assert isinstance(rows, pa.Table)
        assert sorted(rows["subject"].to_pylist()) == expected(0, 40)
        assert sorted(set(rows["event_date"].to_pylist())) == list(DAYS)


def test_plain_files_on_a_disk_are_left_to_the_reader(place: Place) -> None:
    table = table_of(place.lake(None))
    table.commit(batch(0, 10))
    assert table.dataset([file.path for file in table.snapshot().files]) is None


def test_a_plain_lake_needs_no_keys_and_makes_none(place: Place) -> None:
    lake = place.lake(None)
    table_of(lake).commit(batch(0, 10))
    assert logged(lake) == expected(0, 10)
    assert not (place.folder / "state").exists()


def test_rejections_are_written_in_the_clear(place: Place) -> None:
    lake = place.lake()
    rows = batch(0, 20, rejected=(3,))
    lake.rejections().prepare(rows, NOW)
    table_of(lake).commit(rows)
    files = lake.rejections().snapshot().files
    assert [file.label for file in files] == [None]
    assert lake.rejections().storage.read(files[0].path).num_rows == 1


@pytest.mark.parametrize("way", ["read", "open_part", "dataset", "contents"])
def test_nobody_reads_a_file_whose_key_was_destroyed(place: Place, way: str) -> None:
    table_of(place.lake()).commit(batch(0, 20))
    opened = place.lake()
    assert opens(opened)[way]()
    place.keys().destroy(LABELS[0])
    for lake in (opened, place.lake()):
        with pytest.raises(KeyUnavailable, match=f"{LABELS[0]} because it was destroyed on 2026"):
            opens(lake)[way]()


@pytest.mark.parametrize("way", ["read", "open_part", "dataset", "contents"])
def test_a_missing_key_stops_the_reader(place: Place, way: str) -> None:
    table_of(place.lake()).commit(batch(0, 20))
    (place.folder / "state" / "keys" / f"data-{LABELS[0]}.key").unlink()
    with pytest.raises(KeyUnavailable, match="listed is missing"):
        opens(place.lake())[way]()


@pytest.mark.parametrize("way", ["read", "open_part", "dataset", "contents"])
def test_keys_of_another_installation_are_of_no_use(place: Place, way: str) -> None:
    table_of(place.lake()).commit(batch(0, 20))
    with pytest.raises(KeyUnavailable, match="never had one"):
        opens(place.lake(state="other"))[way]()
    for day in DAYS:
        place.keys("other").data_key(epoch_of(day, EpochKind.DAY))
    with pytest.raises(KeyUnavailable, match="does not open with the key of its epoch"):
        opens(place.lake(state="other"))[way]()


@pytest.mark.parametrize("way", ["read", "open_part", "dataset", "contents"])
def test_without_keys_the_state_folder_is_asked_for(place: Place, way: str) -> None:
    table_of(place.lake()).commit(batch(0, 20))
    with pytest.raises(KeyUnavailable, match="--state"):
        opens(Lake(str(place.folder / "lake")))[way]()


@pytest.mark.parametrize("way", ["read", "open_part", "dataset", "contents"])
def test_a_plain_file_under_the_name_of_an_encrypted_one_is_refused(place: Place, way: str) -> None:
    table_of(place.lake()).commit(batch(0, 20))
    first = place.parts[0]
    pq.write_table(pa.table({"event_hour": [1], "subject": ["planted"]}), first)
    with pytest.raises(KeyUnavailable, match="damaged or not encrypted"):
        opens(place.lake())[way]()


def test_no_file_is_written_for_an_epoch_that_has_ended(place: Place) -> None:
    table = table_of(place.lake())
    table.commit(batch(0, 20))
    place.keys().destroy(LABELS[0])
    with pytest.raises(KeyUnavailable, match="cannot be written"):
        table_of(place.lake()).commit(batch(20, 40))
    assert len(table.snapshot().files) == len(place.parts) == 2
    assert not list((place.folder / "lake").rglob("*.tmp"))


def test_a_copy_of_a_file_is_unreadable_once_its_epochs_keys_are_destroyed(place: Place) -> None:
    table_of(place.lake()).commit(batch(0, 20))
    copy = place.folder / "copy"
    shutil.copytree(place.folder / "lake", copy)
    kept = place.folder / "state" / "keys"
    assert (kept / f"data-{LABELS[0]}.key").exists()
    for label in LABELS:
        place.keys().destroy(label)
    assert not list(kept.glob("*.key"))
    for part in copy.rglob("*.parquet"):
        if label_of(part.name):
            with pytest.raises(OSError, match="no decryption"):
                pq.read_table(part)
            with pytest.raises(duckdb.Error):
                duckdb.sql(f"SELECT * FROM read_parquet('{part}')")


def test_the_opener_travels_to_other_processes(tmp_path: Path) -> None:
    keys = partial(LocalKeystore, tmp_path / "keys")
    encryption = pickle.loads(pickle.dumps(Encryption(keys, EpochKind.DAY)))
    today = date.today() - timedelta(days=1)
    label = encryption.label(today)
    assert label is not None
    assert encryption.closing(label) is not None
    assert encryption.opening(f"event_date={today}/part-0.{label}.parquet") is not None


@pytest.mark.parametrize("kind", [PartKind.STREAM, PartKind.FINAL])
def test_duckdb_reads_files_of_several_row_groups_with_the_key(
    place: Place, kind: PartKind
) -> None:
    """All columns but lists: see decision 13."""
    rows = 2 * ROWS_PER_GROUP + 5
    schema = pa.schema(
        [*SCHEMA, ("route", pa.string()), ("features", pa.list_(pa.string())), ("n", pa.int64())]
    )
    day = DAYS[0]
    written = pa.table(
        [
            pa.array([number % 24 for number in range(rows)], pa.int8()),
            pa.array([f"{number:032x}" for number in range(rows)]),
            pa.array([f"/v1/{number % 50}" for number in range(rows)]),
            pa.array([["a", "b"]] * rows),
            pa.array(range(rows), pa.int64()),
        ],
        schema=schema.remove(0),
    )
    table = place.lake().events(EVENT, schema)
    with table.staging() as staging, staging.open(day, written.schema, kind) as part:
        part.write(written)
    table.rewrite([], staging, metadata={"job": "test"})
    (file,) = table.snapshot().files
    assert table.storage.read(file.path).equals(written)
    with table.storage.open_part(file.path) as opened:
        assert opened.metadata.num_row_groups == 3
        subjects = opened.read(["subject"])["subject"].cast(pa.string())
        assert subjects.equals(written["subject"])
    key = place.keys().live_data_key(LABELS[0])
    assert key is not None
    with duckdb.connect() as connection:
        text = base64.b64encode(key).decode()
        connection.execute(f"PRAGMA add_parquet_key('day', '{text}')")
        source = f"read_parquet('{file.uri}', encryption_config = {{footer_key: 'day'}})"
        query = "SELECT count(DISTINCT subject), sum(n), max(route), sum(event_hour)"
        found = connection.execute(f"{query} FROM {source}").fetchone()
        assert found is not None
        assert found[:3] == (rows, sum(range(rows)), "/v1/9")
        with pytest.raises(duckdb.InvalidInputException, match="AES tag"):
            connection.execute(f"SELECT features FROM {source}").fetchall()
