"""Tables begin once, grow columns, and never begin beside files of a log that is gone."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import LakeError
from pipeline.io.delta.creation import PROPERTIES
from pipeline.io.delta.log_files import entries_in
from pipeline.io.lake.delta_log import DeltaLog
from tests.unit.io.lakes import SCHEMA


@pytest.fixture
def log(tmp_path: Path) -> DeltaLog:
    return DeltaLog(str(tmp_path / "table"), {}, SCHEMA, "event_date", "events")


def test_a_new_table_has_the_properties_and_is_closed_to_others(log: DeltaLog) -> None:
    table = log.ensure()
    assert table.metadata().configuration == dict(PROPERTIES)
    assert table.metadata().partition_columns == ["event_date"]
    assert Path(log.uri).stat().st_mode & 0o007 == log.folder.stat().st_mode & 0o007 == 0


def test_many_that_create_one_table_at_once_create_it_once(log: DeltaLog) -> None:
    versions: list[int] = []

    def ensure() -> None:
        versions.append(replace(log).ensure().version())

    threads = [threading.Thread(target=ensure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert versions == [0] * 4


def test_a_new_column_is_added_and_an_old_one_keeps_its_type(log: DeltaLog) -> None:
    log.ensure()
    wide = replace(log, schema=SCHEMA.append(pa.field("plan", pa.string())))
    assert wide.ensure().version() == 1
    assert wide.ensure().version() == 1
    assert log.ensure().version() == 1
    other = SCHEMA.set(1, pa.field("event_hour", pa.string()))
    with pytest.raises(LakeError, match="event_hour"):
        replace(log, schema=other).ensure()


def test_a_log_that_is_gone_beside_its_files_is_not_begun_anew(log: DeltaLog) -> None:
    part = f"event_date=2026-11-23/part-{'0' * 12}-{'1' * 32}.parquet"
    (Path(log.uri) / part).parent.mkdir(parents=True)
    (Path(log.uri) / part).write_bytes(b"x")
    with pytest.raises(LakeError, match="log is gone"):
        log.ensure()
    assert entries_in(path.name for path in Path(log.uri).rglob("*")) == []
