"""What the release gate lets through, example by example."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from pipeline.errors import SettingsError
from pipeline.privacy.figures.gate import OTHER, Admitted, Rule, admit

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
    assert admitted.labels.num_rows == 0


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


def test_labels_name_the_published_cell_of_every_part_and_its_row() -> None:
    admitted = admit(contributions({"a": [1] * 30, "b": [1] * 12, "c": [1] * 15}), ["model"], RULE)
    published = admitted.cells["model"].to_pylist()
    labels = {row["model"]: row for row in admitted.labels.to_pylist()}
    assert {name: row["to_model"] for name, row in labels.items()} == {
        "a": "a",
        "b": OTHER,
        "c": OTHER,
    }
    assert all(published[row["row"]] == row["to_model"] for row in labels.values())


def pairs(cells: dict[tuple[str, str], int]) -> pa.Table:
    """One row per account of a table of two dimensions; every account is in one cell."""
    rows = [
        (*cell, n) for n, cell in enumerate(c for c, many in cells.items() for _ in range(many))
    ]
    return pa.table(
        {
            "start": pa.array([DAY] * len(rows), pa.date32()),
            "country": pa.array([row[0] for row in rows], pa.string()),
            "device": pa.array([row[1] for row in rows], pa.string()),
            "subject": pa.array([row[2] for row in rows], pa.int64()),
            "events": pa.array([1] * len(rows), pa.int64()),
        }
    )


TWO_WAY = {
    ("DE", "desktop"): 60, ("DE", "mobile"): 50, ("DE", "tv"): 7,
    ("FR", "desktop"): 80, ("FR", "mobile"): 40, ("FR", "tv"): 30,
    ("US", "desktop"): 90, ("US", "mobile"): 70, ("US", "tv"): 45,
}  # fmt: skip


def test_a_row_of_two_dimensions_hides_nothing_or_twenty_accounts() -> None:
    """The table of countries less the named cells of a country would otherwise be 7 accounts."""
    admitted = admit(pairs(TWO_WAY), ["country", "device"], RULE)
    named = {(row["country"], row["device"]) for row in admitted.cells.to_pylist()}
    hidden = {cell: many for cell, many in TWO_WAY.items() if cell not in named}
    assert ("DE", "tv") in hidden
    for place in (0, 1):
        for one in {cell[place] for cell in hidden}:
            assert sum(many for cell, many in hidden.items() if cell[place] == one) >= 20
    assert len(hidden) == 3


def test_rows_that_their_own_table_merges_are_one_row() -> None:
    """IT and AT are `(other)` among countries: what is hidden of them counts together."""
    cells = {("IT", "desktop"): 12, ("AT", "desktop"): 9, ("AT", "mobile"): 3}
    cells |= {("DE", "desktop"): 50, ("DE", "mobile"): 50}
    admitted = admit(pairs(cells), ["country", "device"], RULE)
    assert {(row["country"], row["device"]): row["accounts"] for row in admitted.cells.to_pylist()}
    left = sum(row["accounts"] for row in admitted.cells.to_pylist() if row["country"] == OTHER)
    assert left >= 20 + 24


def test_an_empty_table_stays_empty() -> None:
    admitted = admit(contributions({}), ["model"], RULE)
    assert (admitted.cells.num_rows, admitted.labels.num_rows) == (0, 0)


@pytest.mark.parametrize("rule", [{"accounts": 10}, {"share": 0.81}, {"share": 0.0}, {"events": 0}])
def test_no_setting_goes_below_the_floor(rule: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        Rule(**rule)  # type: ignore[arg-type]
