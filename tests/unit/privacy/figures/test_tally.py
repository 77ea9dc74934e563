"""What each account contributed to each cell, against a count in plain Python."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from pipeline.privacy.figures import tally as module
from pipeline.privacy.figures.tally import AccountTally, tally

DAY = date(2026, 11, 2)
Key = tuple[date, str, int | None]


def rows_of(seed: int, rows: int = 400) -> list[tuple[date, str, int | None, int]]:
    random = np.random.default_rng(seed)
    return [
        (
            DAY + timedelta(days=int(random.integers(3))),
            "abcdef"[int(random.integers(6))],
            None if random.random() < 0.1 else int(random.integers(40)) * 10**15,
            int(random.integers(1, 9)),
        )
        for _ in range(rows)
    ]


def table_of(rows: list[tuple[date, str, int | None, int]], encoded: bool) -> pa.Table:
    models = pa.array([row[1] for row in rows], pa.string())
    subjects = pa.array([row[2] for row in rows], pa.int64())
    return pa.table(
        {
            "start": pa.array([row[0] for row in rows], pa.date32()),
            "model": models.dictionary_encode() if encoded else models,
            "subject": subjects.dictionary_encode() if encoded else subjects,
            "events": pa.array([row[3] for row in rows], pa.int64()),
        }
    )


def counted(found: AccountTally) -> Counter[tuple[date, str, int]]:
    """Entries by cell and number of the account; fails if one comes twice."""
    names = found.keys.to_pylist()
    entries = [
        (names[cell]["start"], names[cell]["model"], account)
        for cell, account in zip(found.cell.tolist(), found.account.tolist(), strict=True)
    ]
    assert len(set(entries)) == len(entries)
    return Counter(dict(zip(entries, found.events.tolist(), strict=True)))


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("places", [module.PLACES, 0])
@pytest.mark.parametrize("seed", range(5))
def test_rows_of_one_account_and_cell_add_up(
    monkeypatch: pytest.MonkeyPatch, seed: int, places: int, encoded: bool
) -> None:
    """With a place for every pair, and sorted where there are too many places."""
    monkeypatch.setattr(module, "PLACES", places)
    monkeypatch.setattr(module, "PLACES_PER_ROW", 0 if places == 0 else 16)
    rows = rows_of(seed)
    numbers: dict[int | None, int] = {None: 0}
    for row in rows:
        numbers.setdefault(row[2], len(numbers))
    expected: Counter[tuple[date, str, int]] = Counter()
    for start, model, account, events in rows:
        expected[start, model, numbers[account]] += events
    found = tally(table_of(rows, encoded), ["model"])
    assert counted(found) == expected
    assert found.keys.to_pylist() == sorted(
        found.keys.to_pylist(), key=lambda key: (key["start"], key["model"])
    )


def test_some_cells_are_given_sorted_by_cell() -> None:
    found = tally(table_of(rows_of(1), True), ["model"])
    wanted = np.arange(found.keys.num_rows) % 3 == 1
    some = found.of_cells(wanted)
    assert (np.diff(some.cell) >= 0).all()
    assert set(some.cell.tolist()) == set(np.flatnonzero(wanted).tolist())
    assert counted(some) == Counter(
        {
            key: events
            for key, events in counted(found).items()
            if wanted[found.keys.to_pylist().index({"start": key[0], "model": key[1]})]
        }
    )


def test_a_table_without_rows_has_no_cells() -> None:
    found = tally(table_of([], False), ["model"])
    assert (found.keys.num_rows, len(found.cell)) == (0, 0)
    assert found.keys.column_names == ["start", "model"]
