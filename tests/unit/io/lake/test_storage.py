"""A table's files on a disk and in an object store: the same operations, the same results.

The object store's client is the real one, on a folder; `tests/integration/test_lake_s3.py` and
`test_lake_gcs.py` use it over a network.
"""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline.io.lake.storage import (
    GoogleStorage,
    LocalStorage,
    ObjectStorage,
    Storage,
    storage_at,
)
from tests.unit.io.lakes import DAYS, SCHEMA, files_of

PARTS = [f"event_date={day}/part-{number}.parquet" for number, day in enumerate(DAYS)]
ROWS = pa.table({"event_hour": pa.array([1, 2], pa.int8()), "subject": ["a", "b"]})


@pytest.fixture(params=["disk", "object store"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return storage_at(str(tmp_path) if request.param == "disk" else f"file://{tmp_path}", {})


def write(storage: Storage, path: str, rows: pa.Table = ROWS) -> None:
    name = storage.hidden(path)
    file = storage.create(name)
    pq.write_table(rows, file)
    storage.settle(file)
    storage.reveal([(name, path)])


def test_a_file_has_its_final_name_once_it_is_revealed(storage: Storage, tmp_path: Path) -> None:
    write(storage, PARTS[0])
    assert files_of(tmp_path) == [PARTS[0]]
    assert storage.size(PARTS[0]) == (tmp_path / PARTS[0]).stat().st_size
    assert storage.read(PARTS[0]).equals(ROWS)


def test_rows_are_read_by_column_and_condition(storage: Storage) -> None:
    write(storage, PARTS[0])
    found = storage.read(PARTS[0], ["subject"], pc.field("event_hour") == 2)
    assert found.to_pydict() == {"subject": ["b"]}
    with storage.open_part(PARTS[0]) as part:
        assert part.metadata.num_rows == 2


def test_files_of_several_days_are_one_dataset(storage: Storage) -> None:
    """A column that a file lacks is null there; the day comes from the folder."""
    write(storage, PARTS[0], ROWS.select(["event_hour"]))
    write(storage, PARTS[1])
    found = storage.dataset(PARTS, SCHEMA, "event_date").to_table().sort_by("event_date")
    assert found["event_date"].to_pylist() == [DAYS[0]] * 2 + [DAYS[1]] * 2
    assert found["subject"].to_pylist() == [None, None, "a", "b"]


def test_every_file_is_listed_but_those_of_the_log(storage: Storage, tmp_path: Path) -> None:
    write(storage, PARTS[0])
    for name in ("_delta_log/0.json", "deep/_delta_log/0.json", "event_date=x/.hidden"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"12")
    found = {file.path: file.size for file in storage.files()}
    size = storage.size(PARTS[0])
    assert found == {PARTS[0]: size, "deep/_delta_log/0.json": 2, "event_date=x/.hidden": 2}


def test_a_file_is_deleted_and_one_that_is_gone_is_fine(storage: Storage, tmp_path: Path) -> None:
    write(storage, PARTS[0])
    for _ in range(2):
        storage.delete(PARTS[0])
    assert files_of(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        storage.read(PARTS[0])


def test_the_stores_clock_is_that_of_its_files_and_leaves_none(
    storage: Storage, tmp_path: Path
) -> None:
    write(storage, PARTS[0])
    before = next(iter(storage.files())).modified
    now = storage.clock()
    write(storage, PARTS[1])
    after = max(file.modified for file in storage.files())
    assert before <= now <= after <= time.time() + 1
    assert files_of(tmp_path) == PARTS


def test_a_folder_is_removed_only_when_it_is_empty(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    write(storage, PARTS[0])
    folder = f"event_date={DAYS[0]}"
    storage.remove_empty_folder(folder)
    assert (tmp_path / folder).exists()
    storage.delete(PARTS[0])
    storage.remove_empty_folder(folder)
    storage.remove_empty_folder(folder)
    assert not (tmp_path / folder).exists()


def test_on_a_disk_a_new_file_is_hidden_and_never_replaces_another(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    name = storage.hidden(PARTS[0])
    assert Path(name).name == ".part-0.parquet.tmp"
    storage.create(name).close()
    with pytest.raises(FileExistsError):
        storage.create(name)
    assert stat.S_IMODE((tmp_path / name).parent.stat().st_mode) & 0o007 == 0


@pytest.mark.parametrize(
    ("uri", "options", "kind"),
    [
        ("/lake/t", {}, LocalStorage),
        ("file:///", {}, ObjectStorage),
        ("gs://lake/t", {"google_skip_signature": "true"}, GoogleStorage),
    ],
)
def test_the_address_says_where_files_lie(uri: str, options: dict[str, str], kind: type) -> None:
    assert type(storage_at(uri, options)) is kind
