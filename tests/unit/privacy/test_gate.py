"""What the release gate lets through, example by example."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from pipeline.errors import SettingsError
from pipeline.privacy.gate import OTHER, Admitted, Rule, admit, relabel, rounded

DAY = date(2026, 11, 2)
RULE = Rule()


def contributions(
    cells: dict[str, list[int]], day: date = DAY, anonymous: dict[str, int] | None = None
) -> pa.Table:
    """One row per account: `{"a": [3, 1]}` is cell a with two accounts of 3 and 1 events."""
    rows: list[tuple[date, str, str | None, int]] = [
        (day, name, f"{name}-{number}", events)
        for name, accounts in cells.items()
        for number, events in enumerate(accounts)
    ]
    rows += [(day, name, None, events) for name, events in (anonymous or {}).items()]
    return pa.table(
        {
            "start": pa.array([row[0] for row in rows], pa.date32()),
            "model": pa.array([row[1] for row in rows], pa.string()),
            "subject": pa.array([row[2] for row in rows], pa.string()),
            "events": pa.array([row[3] for row in rows], pa.int64()),
        }
    )


def shown(admitted: Admitted) -> dict[str, tuple[int, int]]:
    """Accounts and events of each published cell."""
    rows = admitted.cells.to_pylist()
    return {row["model"]: (row["accounts"], row["events"]) for row in rows}


def test_a_cell_of_twenty_accounts_stands_alone() -> None:
    assert shown(admit(contributions({"a": [1] * 20}), ["model"], RULE)) == {"a": (20, 20)}


def test_a_cell_of_nineteen_accounts_is_not_published() -> None:
    assert shown(admit(contributions({"a": [1] * 19}), ["model"], RULE)) == {}


def test_events_do_not_make_up_for_accounts() -> None:
    assert shown(admit(contributions({"a": [1000] * 19}), ["model"], RULE)) == {}


def test_two_rows_of_one_account_count_once() -> None:
    once = contributions({"a": [1] * 19})
    assert shown(admit(pa.concat_tables([once, once]), ["model"], RULE)) == {}


def test_failing_cells_merge_into_other() -> None:
    admitted = admit(contributions({"a": [1] * 30, "b": [2] * 12, "c": [1] * 15}), ["model"], RULE)
    assert shown(admitted) == {"a": (30, 30), OTHER: (27, 39)}


def test_other_takes_the_smallest_passing_cell_until_it_passes() -> None:
    cells = {"big": [1] * 50, "small": [1] * 20, "tiny": [1] * 3}
    assert shown(admit(contributions(cells), ["model"], RULE)) == {"big": (50, 50), OTHER: (23, 23)}


def test_an_account_in_two_merged_cells_counts_once() -> None:
    rows = contributions({"a": [1] * 15})
    same = rows.set_column(1, "model", pa.array(["b"] * 15, pa.string()))
    assert shown(admit(pa.concat_tables([rows, same]), ["model"], RULE)) == {}


def test_a_table_whose_total_is_too_small_is_not_published() -> None:
    admitted = admit(contributions({"a": [1] * 10, "b": [1] * 9}), ["model"], RULE)
    assert shown(admitted) == {}
    assert admitted.hidden.to_pylist() == [
        {"start": DAY, "cells": 2, "hidden_cells": 2, "events": 19, "hidden_events": 19}
    ]


def test_a_dominated_cell_does_not_stand_alone() -> None:
    cells = {"a": [1] * 40, "b": [1] * 30 + [200]}
    assert shown(admit(contributions(cells), ["model"], RULE)) == {OTHER: (71, 270)}


def test_a_dominated_table_is_not_published() -> None:
    assert shown(admit(contributions({"a": [1] * 40 + [1000]}), ["model"], RULE)) == {}


def test_events_without_an_account_are_one_unknown_account_for_dominance_only() -> None:
    few = contributions({"a": [1] * 19}, anonymous={"a": 10})
    assert shown(admit(few, ["model"], RULE)) == {}
    some = contributions({"a": [1] * 20}, anonymous={"a": 10})
    assert shown(admit(some, ["model"], RULE)) == {"a": (20, 30)}
    mostly = contributions({"a": [1] * 20}, anonymous={"a": 1000})
    assert shown(admit(mostly, ["model"], RULE)) == {}


def test_the_total_alone_has_no_other() -> None:
    assert admit(contributions({"a": [1] * 19}), [], RULE).cells.num_rows == 0
    assert admit(contributions({"a": [1] * 21}), [], RULE).cells["accounts"].to_pylist() == [21]


def test_windows_are_judged_one_by_one() -> None:
    late = date(2026, 11, 3)
    rows = pa.concat_tables(
        [contributions({"a": [1] * 20}), contributions({"a": [1] * 5, "b": [1] * 25}, late)]
    )
    cells = admit(rows, ["model"], RULE).cells.sort_by("start")
    assert cells.select(["start", "model", "accounts"]).to_pylist() == [
        {"start": DAY, "model": "a", "accounts": 20},
        {"start": late, "model": OTHER, "accounts": 30},
    ]


def test_cells_below_the_fewest_events_are_hidden() -> None:
    rows = contributions({"a": [3] * 30, "b": [4] * 30})
    assert shown(admit(rows, ["model"], Rule(events=100))) == {OTHER: (60, 210)}


def test_a_dictionary_that_names_a_cell_twice_makes_one_cell() -> None:
    rows = contributions({"a": [1] * 15, "b": [1] * 15, "c": [1] * 30})
    codes = rows["model"].combine_chunks().dictionary_encode().indices
    twice = pa.DictionaryArray.from_arrays(codes, pa.array(["a", "a", "c"]))
    rows = rows.set_column(1, "model", twice)
    assert shown(admit(rows, ["model"], RULE)) == {"a": (30, 30), "c": (30, 30)}


def test_relabel_gives_every_part_its_published_cell_and_drops_the_rest() -> None:
    admitted = admit(contributions({"a": [1] * 30, "b": [1] * 12, "c": [1] * 15}), ["model"], RULE)
    measures = pa.table(
        {
            "start": pa.array([DAY] * 4, pa.date32()),
            "model": pa.array(["a", "b", "c", "unseen"]),
            "n": pa.array([1, 2, 3, 4]),
        }
    )
    rows = relabel(measures, admitted, ["model"]).sort_by("n").to_pylist()
    assert [(row["model"], row["n"]) for row in rows] == [("a", 1), (OTHER, 2), (OTHER, 3)]


def test_an_empty_table_stays_empty() -> None:
    admitted = admit(contributions({}), ["model"], RULE)
    assert (admitted.cells.num_rows, admitted.labels.num_rows, admitted.hidden.num_rows) == (
        0,
        0,
        0,
    )


def test_counts_are_rounded_half_up() -> None:
    numbers = pa.chunked_array([pa.array([0, 4, 5, 14, 15, 25], pa.int64())])
    assert rounded(numbers, 10).to_pylist() == [0, 0, 10, 10, 20, 30]
    assert rounded(numbers, 1).to_pylist() == [0, 4, 5, 14, 15, 25]


@pytest.mark.parametrize(
    "rule", [{"accounts": 10}, {"share": 0.81}, {"share": 0.0}, {"rounding": 0}, {"events": 0}]
)
def test_no_setting_goes_below_the_floor(rule: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        Rule(**rule)  # type: ignore[arg-type]
