"""Spilled rows come back by portion, whatever their dictionaries were, and leave no file."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.disk.spilled_rows import SpilledRows

SCHEMA = pa.schema([("model", pa.dictionary(pa.int32(), pa.string())), ("n", pa.int64())])


def rows(names: list[str | None], *numbers: int) -> pa.Table:
    coded = pa.array(names, pa.string()).dictionary_encode()
    return pa.Table.from_arrays([coded, pa.array(numbers, pa.int64())], schema=SCHEMA)


def values(batches: list[pa.RecordBatch]) -> list[object]:
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def test_a_portion_comes_back_with_the_dictionaries_of_its_batches(tmp_path: Path) -> None:
    with SpilledRows(tmp_path, SCHEMA, 2) as spilled:
        spilled.write(0, rows(["a", "b"], 1, 2))
        spilled.write(1, rows(["x"], 3))
        spilled.write(0, rows(["c", None, "b"], 4, 5, 6))
        spilled.finish()
        assert len(spilled) == 2
        assert values(spilled.take(0)) == [("a", 1), ("b", 2), ("c", 4), (None, 5), ("b", 6)]
        assert values(spilled.take(1)) == [("x", 3)]


def test_a_portion_without_rows_is_empty(tmp_path: Path) -> None:
    with SpilledRows(tmp_path, SCHEMA, 1) as spilled:
        spilled.finish()
        assert spilled.take(0) == []


def test_files_are_private_and_go_with_the_last_use_or_a_failure(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), SpilledRows(tmp_path, SCHEMA, 3) as spilled:
        spilled.write(1, rows(["a"], 1))
        modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        assert modes == {0o600}
        spilled.finish()
        spilled.take(1)
        assert len(list(tmp_path.iterdir())) == 2
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_problem_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    with SpilledRows(tmp_path, SCHEMA, 1) as spilled:
        monkeypatch.setattr(spilled, "_writers", [type("Full", (), {"write_table": full})()])
        with pytest.raises(EnvironmentProblem, match="could not be spilled"):
            spilled.write(0, rows(["a"], 1))
