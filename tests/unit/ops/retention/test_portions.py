"""Rows that do not fit in memory are cut by their event: no event is in two portions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.io.lake.lake import Lake
from pipeline.io.parquet.dictionaries import coded
from pipeline.ops.retention import portions
from pipeline.ops.retention.portions import in_portions, read_rows
from tests.unit.io.lakes import SCHEMA, batch

ROWS = coded(pa.schema([("event_token", pa.string()), ("model", pa.string())]))


def group(tokens: list[int | None], model: str) -> pa.Table:
    columns = [
        pa.array([None if one is None else f"{one:032x}" for one in tokens], pa.string()),
        pa.array([model] * len(tokens)).dictionary_encode(),
    ]
    return pa.Table.from_arrays(columns, schema=ROWS)


def groups() -> Iterator[pa.Table]:
    for number in range(6):
        yield group([*range(500), None, None], f"m{number}")


def cut(most_bytes: int, spill: Path | None) -> list[list[dict[str, object]]]:
    return [
        [row for batch_ in batches for row in batch_.to_pylist()]
        for batches in in_portions(groups(), 6 * 502, most_bytes, spill, os.urandom)
    ]


def test_rows_that_fit_are_one_portion_and_touch_no_disk(tmp_path: Path) -> None:
    (rows,) = cut(10_000_000, tmp_path / "spill")
    assert len(rows) == 6 * 502
    assert not (tmp_path / "spill").exists()


def test_without_a_folder_everything_is_one_portion() -> None:
    assert [len(rows) for rows in cut(1, None)] == [6 * 502]


@pytest.mark.parametrize("slice_rows", [700, 1_000_000])
def test_all_copies_of_an_event_are_in_one_portion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slice_rows: int
) -> None:
    monkeypatch.setattr(portions, "SLICE_ROWS", slice_rows)
    found = cut(20_000, tmp_path)
    assert len(found) > 3
    where: dict[object, set[int]] = {}
    for number, rows in enumerate(found):
        assert 0.5 < len(rows) * len(found) / (6 * 502) < 1.5
        for row in rows:
            where.setdefault(row["event_token"], set()).add(number)
    assert {len(numbers) for token, numbers in where.items() if token} == {1}
    whole = sorted((str(row["event_token"]), row["model"]) for rows in found for row in rows)
    assert whole == sorted(
        (str(t), m) for one in groups() for t, m in zip(*one.to_pydict().values(), strict=True)
    )
    assert list(tmp_path.iterdir()) == []


def test_no_portion_holds_a_value_of_a_row_in_another(tmp_path: Path) -> None:
    rows = (group([number] * 50, f"only-{number}") for number in range(20))
    for batches in in_portions(rows, 1_000, 10_000, tmp_path, os.urandom):
        there = {name for one in batches for name in one.column("model").dictionary.to_pylist()}
        assert there == {name for one in batches for name in one.column("model").to_pylist()}


def test_a_column_that_an_older_file_lacks_is_null(tmp_path: Path) -> None:
    table = Lake(str(tmp_path / "lake"), state=tmp_path / "state").events("api_request", SCHEMA)
    table.commit(batch(0, 4))
    files = table.snapshot().files
    schema = coded(pa.schema([SCHEMA.field("subject"), ("model", pa.string()), ("n", pa.int8())]))
    found = [row for rows in read_rows(table.storage, files, schema) for row in rows.to_pylist()]
    assert sorted(row["subject"] for row in found) == [f"abc-{number}" for number in range(4)]
    assert {(row["model"], row["n"]) for row in found} == {(None, None)}
