"""From contributions to published rows: only what passed the gate, perturbed, in one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.ops.rollup.figures import RecordKeys
from pipeline.ops.rollup.publication import MEASURES, PUBLISHED, Method, publish
from pipeline.ops.rollup.registry import Window
from pipeline.ops.rollup.sql import Pass
from pipeline.privacy.figures.gate import OTHER, Rule
from pipeline.privacy.figures.perturbation import Perturbation
from tests.dashboards import REGISTRY, SECRET
from tests.lake_rows import EPOCH

MONDAY, NEXT = date(2026, 11, 2), date(2026, 11, 9)
AT = datetime(2026, 11, 17, 3, tzinfo=UTC)
NOISE = Perturbation(SECRET)
METHOD = Method(EPOCH, Rule(), NOISE, AT)
REQUESTS = REGISTRY.metrics["requests"]


def task(*by: str, window: Window = Window.WEEK) -> Pass:
    return Pass("requests", window, by, "", (REQUESTS,))


def published(
    cells: Mapping[tuple[date, str], int],
    starts: Sequence[date] = (MONDAY, NEXT),
    method: Method = METHOD,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Publish cells of so many accounts with three events each, by (start, model).

    Cells of one window have different accounts, numbered from 0 in each window.
    """
    entries: list[tuple[date, str, int]] = []
    for (start, model), accounts in cells.items():
        first = sum(entry[0] == start for entry in entries)
        entries += [(start, model, first + number) for number in range(accounts)]
    models = pa.array([model for _, model, _ in entries]).dictionary_encode()
    table = pa.table(
        {
            "start": pa.array([start for start, _, _ in entries], pa.date32()),
            "model": models,
            "subject": pa.array([account for _, _, account in entries], pa.int64()),
            "events": pa.array([3] * len(entries), pa.int64()),
        }
    )
    most = max(account for _, _, account in entries) + 1
    keys = RecordKeys(np.arange(most), NOISE.record_keys(f"{n:032x}" for n in range(most)))
    rows, hidden = publish(table, task("model"), starts, method, keys, lambda *_: "rows")
    assert rows.keys() == {REQUESTS.name}
    assert rows[REQUESTS.name].schema.equals(PUBLISHED)
    return rows[REQUESTS.name].to_pylist(), hidden.to_pylist()


def test_a_row_names_its_window_and_cell() -> None:
    (row,), _ = published({(MONDAY, "v2v-large"): 100})
    named = {name: row[name] for name in PUBLISHED.names if name not in MEASURES}
    assert named == {
        "grain": "week",
        "cut": "model",
        "first_day": MONDAY,
        "last_day": date(2026, 11, 8),
        "key1": "v2v-large",
        "key2": "",
        "accounts": row["accounts"],
        "made_of": "rows",
        "revision": 0,
        "published_at": AT,
    }


def test_a_figure_is_near_the_truth_and_its_accounts_are_in_steps() -> None:
    (row,), _ = published({(MONDAY, "v2v-large"): 100})
    assert abs(row["value"] - 300) <= 6 * row["error"]
    assert row["accounts"] % 20 == 0
    assert 80 <= row["accounts"] <= 100
    assert row["p50"] is row["numerator"] is None


def test_cells_of_a_few_accounts_stand_together() -> None:
    rows, _ = published({(MONDAY, "a"): 100, (MONDAY, "b"): 12, (MONDAY, "c"): 12})
    assert sorted(row["key1"] for row in rows) == sorted(["a", OTHER])


def test_a_window_of_a_few_accounts_is_not_published_at_all() -> None:
    rows, hidden = published({(MONDAY, "a"): 100, (NEXT, "a"): 12})
    assert [row["first_day"] for row in rows] == [MONDAY]
    assert {one["start"]: one["share"] for one in hidden} == {MONDAY: 0.0, NEXT: None}


def test_what_the_gate_hid_is_told_as_a_share() -> None:
    _, (one,) = published({(MONDAY, "a"): 60, (MONDAY, "b"): 15, (MONDAY, "c"): 15})
    assert 0.25 < one["share"] < 0.45


def test_only_the_windows_that_were_asked_for_are_published() -> None:
    cells = {(MONDAY, "a"): 100, (NEXT, "a"): 100}
    rows, hidden = published(cells, [NEXT])
    assert [row["first_day"] for row in rows] == [NEXT]
    assert [one["start"] for one in hidden] == [NEXT]


def test_the_same_accounts_have_the_same_figure_again() -> None:
    cells = {(MONDAY, "a"): 100, (MONDAY, "b"): 100}
    rows, _ = published(cells)
    assert rows == published(cells)[0]
    other = Method(EPOCH, Rule(), Perturbation(bytes(32)), AT)
    assert published(cells, method=other)[0] != rows
