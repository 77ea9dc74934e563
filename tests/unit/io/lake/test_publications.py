"""Publications are replaced whole, read back as they were, and never half trusted.

The object store's client is the real one, on a folder.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import LakeError, PrivacyGateClosed
from pipeline.io.lake.publications import FORMAT, RollupStore, require_format

SCHEMA = pa.schema([("day", pa.string()), ("count", pa.int64())])
ROWS = pa.Table.from_pylist([{"day": "2026-11-23", "count": 12}], schema=SCHEMA)
CANARY = "alice@example.com"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """delta-rs's own client of a disk wants the folder to exist."""
    found = tmp_path / "rollups"
    found.mkdir()
    return found


@pytest.fixture(params=["disk", "object store"])
def store(request: pytest.FixtureRequest, folder: Path) -> RollupStore:
    root = str(folder.parent)
    return RollupStore(root if request.param == "disk" else f"file://{root}")


def test_before_the_first_run_there_is_nothing(store: RollupStore) -> None:
    assert (store.published(), store.manifest(), store.columns("requests")) == ([], {}, [])
    assert store.read("requests", SCHEMA).equals(SCHEMA.empty_table())
    assert store.stamp() == (0, 0)


def test_a_lake_without_the_folder_has_no_publications(tmp_path: Path) -> None:
    store = RollupStore(str(tmp_path / "lake"))
    assert (store.published(), store.manifest(), store.columns("requests")) == ([], {}, [])
    assert not (tmp_path / "lake").exists()


def test_what_is_written_replaces_all_and_carries_its_definition(
    store: RollupStore, folder: Path
) -> None:
    store.write("requests", pa.concat_tables([ROWS, ROWS]), {"title": "old"})
    store.write("requests", ROWS, {"title": "Requests"})
    assert store.read("requests", SCHEMA).equals(ROWS)
    assert (store.published(), store.columns("requests")) == (["requests"], ["day", "count"])
    metadata = pq.read_schema(folder / "requests" / "requests.parquet").metadata
    assert metadata[b"metric.title"] == b"Requests"
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["requests.parquet"]


def test_columns_come_in_the_order_and_types_that_are_asked_for(store: RollupStore) -> None:
    other = pa.table({"count": pa.array([12], pa.int32()), "extra": [1], "day": ["2026-11-23"]})
    store.write("requests", other, {})
    assert store.read("requests", SCHEMA).equals(ROWS)


def test_the_manifest_is_read_back_and_stamps_a_run(store: RollupStore) -> None:
    store.write_manifest({"version": FORMAT, "metrics": {"ä": 1}})
    assert store.manifest() == {"version": FORMAT, "metrics": {"ä": 1}}
    first = store.stamp()
    assert store.stamp() == first
    store.write_manifest({"version": FORMAT, "metrics": {}})
    assert store.stamp() != first


def test_clearing_leaves_no_figure_and_no_manifest(store: RollupStore) -> None:
    store.write("requests", ROWS, {})
    store.write("sessions", ROWS, {})
    store.write_manifest({"version": 1})
    assert store.clear({"requests", "sessions"}) == ["requests", "sessions"]
    assert store.manifest() == {}
    assert store.read("requests", SCHEMA).num_rows == 0


def test_clearing_takes_the_folder_of_a_metric_that_is_gone(
    store: RollupStore, folder: Path
) -> None:
    for metric in ("requests", "retired", "shared"):
        store.write(metric, ROWS, {})
    (folder / "shared" / "notes.txt").write_text("not ours")
    assert store.clear({"requests"}) == ["requests", "retired", "shared"]
    left = {str(file.relative_to(folder)) for file in folder.glob("*/*")}
    assert left == {"requests/requests.parquet", "shared/notes.txt"}
    if not store.uri.startswith("file:"):
        assert store.published() == ["requests", "shared"]


@pytest.mark.parametrize("content", [b"", b"PAR1", CANARY.encode()])
def test_a_damaged_file_is_told_and_not_taken_for_none(
    store: RollupStore, folder: Path, content: bytes
) -> None:
    (folder / "requests").mkdir()
    (folder / "requests" / "requests.parquet").write_bytes(content)
    (folder / "manifest.json").write_bytes(content)
    for read in (
        lambda: store.read("requests", SCHEMA),
        lambda: store.columns("requests"),
        store.manifest,
    ):
        with pytest.raises(LakeError, match="could not be read") as caught:
            read()
        assert CANARY not in str(caught.value)


def test_a_file_without_a_column_is_told(store: RollupStore) -> None:
    store.write("requests", ROWS.select(["day"]), {})
    with pytest.raises(LakeError, match="could not be read"):
        store.read("requests", SCHEMA)


def test_a_place_that_cannot_be_written_is_told_and_the_old_file_stays(folder: Path) -> None:
    store = RollupStore(str(folder.parent))
    (folder / "requests").write_text("a file in place of the folder")
    with pytest.raises(LakeError, match="could not be written"):
        store.write("requests", ROWS, {})
    assert (folder / "requests").read_text() == "a file in place of the folder"


@pytest.mark.parametrize("version", [None, 1, FORMAT + 1, str(FORMAT)])
def test_figures_of_another_format_are_not_added_to(version: object) -> None:
    with pytest.raises(PrivacyGateClosed, match="undo the perturbation"):
        require_format({"version": version}, "/lake")


def test_a_lake_without_figures_and_one_of_this_format_are_added_to() -> None:
    require_format({}, "/lake")
    require_format({"version": FORMAT}, "/lake")
