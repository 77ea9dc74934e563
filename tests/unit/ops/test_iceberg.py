"""Which files become tables of Iceberg: sealed, visible, and readable by anybody."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.lake.snapshot import PartFile
from pipeline.ops.iceberg import registrable

TODAY = date(2026, 11, 24)


def file(name: str, age: int = 3) -> PartFile:
    return PartFile(name, f"/lake/{name}", TODAY - timedelta(days=age), 1, 1, 0)


def test_sealed_and_final_files_of_visible_days_are_named() -> None:
    names = ["part-a-1.parquet", "sealed-a-1.parquet", "final-a-1.parquet"]
    found = registrable("session", [*map(file, names), file("final-b-1.parquet", 89)], TODAY)
    assert [one.path for one in found] == names[1:]


def test_an_encrypted_file_is_refused_unless_it_is_not_sealed() -> None:
    assert registrable("session", [file("part-a-1.4weeks-0037.parquet")], TODAY) == ()
    with pytest.raises(EnvironmentProblem, match="event session because readers of Iceberg"):
        registrable("session", [file("sealed-a-1.4weeks-0037.parquet")], TODAY)
