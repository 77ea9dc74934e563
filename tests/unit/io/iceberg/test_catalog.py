"""A table names exactly the files that it is given, in one snapshot, and grows by new columns."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from pipeline.errors import LakeError
from pipeline.io.iceberg.catalog import IcebergCatalog
from pipeline.io.lake.snapshot import PartFile

SCHEMA = pa.schema(
    [
        pa.field("event_date", pa.date32(), nullable=False),
        pa.field("event_hour", pa.int8(), nullable=False),
        pa.field("route", pa.string(), metadata={"comment": "of the lake"}),
    ]
)
WIDER = SCHEMA.append(pa.field("features", pa.list_(pa.string())))


def file(folder: Path, day: date, number: int, schema: pa.Schema = SCHEMA) -> PartFile:
    """A file as the lake writes them: without the partition column, and without field ids."""
    path = folder / f"event_date={day}" / f"sealed-{number}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"event_hour": [1, 2], "route": ["/a", None], "features": [["x"], None]}
    names = schema.names[1:]
    columns = [pa.array(values[name], schema.field(name).type) for name in names]
    pq.write_table(pa.table(columns, names=names), path)
    return PartFile(path.name, str(path), day, 2, path.stat().st_size, 0)


def opened(folder: Path) -> Table:
    catalog = SqlCatalog("telemetry", uri=f"sqlite:///{folder / 'catalog.db'}")
    try:
        return catalog.load_table("telemetry.api_request")
    finally:
        catalog.close()


def test_files_come_and_go_and_one_snapshot_stays(tmp_path: Path) -> None:
    lake, folder = tmp_path / "a lake", tmp_path / "ice"
    first = file(lake, date(2026, 11, 1), 1)
    second = file(lake, date(2026, 11, 2), 2, WIDER)
    catalog = IcebergCatalog(folder)
    assert catalog.register("api_request", SCHEMA, [first]) == ("api_request", 1, 2, 1, 0)
    assert catalog.register("api_request", WIDER, [first, second])[3:] == (1, 0)
    rows = opened(folder).scan().to_arrow().sort_by("event_date").to_pylist()
    days = [date(2026, 11, 1)] * 2 + [date(2026, 11, 2)] * 2
    assert [row["event_date"] for row in rows] == days
    assert [row["features"] for row in rows] == [None, None, ["x"], None]
    assert catalog.register("api_request", WIDER, [second]) == ("api_request", 1, 2, 0, 1)
    table = opened(folder)
    assert len(table.snapshots()) == 1
    assert table.scan().to_arrow().num_rows == 2
    metadata = folder / "telemetry" / "api_request" / "metadata"
    assert len(list(metadata.glob("*.json"))) == 1
    assert len(list(metadata.glob("snap-*"))) == 1
    assert (
        first.uri.encode()
        not in (metadata / table.metadata_location.rpartition("/")[2]).read_bytes()
    )
    assert catalog.register("api_request", WIDER, []) == ("api_request", 0, 0, 0, 1)
    assert opened(folder).scan().to_arrow().num_rows == 0
    assert catalog.events() == ("api_request",)
    catalog.drop("api_request")
    assert (catalog.events(), list(metadata.iterdir())) == ((), [])
    catalog.close()


def test_a_damaged_catalog_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"no database" * 100)
    with pytest.raises(LakeError, match="damaged, remove it"):
        IcebergCatalog(tmp_path)
