"""Frozen publications: what the difference between two of them may show."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pyarrow as pa
import pytest

from pipeline.privacy.figures.gate import Rule
from pipeline.privacy.figures.revisions import newest, revise

KEYS = ("grain", "cut", "first_day", "key1", "key2")
DAY = date(2026, 11, 2)
NEXT = date(2026, 11, 3)
RULE = Rule()


def publication(cells: dict[str, int], day: date = DAY, revision: int = 0) -> pa.Table:
    count = len(cells)
    return pa.table(
        {
            "grain": pa.array(["day"] * count, pa.string()),
            "cut": pa.array(["model"] * count, pa.string()),
            "first_day": pa.array([day] * count, pa.date32()),
            "key1": pa.array(list(cells), pa.string()),
            "key2": pa.array([""] * count, pa.string()),
            "accounts": pa.array(list(cells.values()), pa.int64()),
            "revision": pa.array([revision] * count, pa.int16()),
        }
    )


def changed(before: dict[str, int], after: dict[str, int], rule: Rule = RULE) -> dict[str, int]:
    rows = revise(publication(before), publication(after), rule, KEYS).to_pylist()
    return {row["key1"]: row["accounts"] for row in rows}


def test_a_new_window_is_published_as_it_is() -> None:
    fresh = publication({"a": 20, "b": 25})
    assert revise(fresh.slice(0, 0), fresh, RULE, KEYS).sort_by("key1").equals(fresh)


@pytest.mark.parametrize("before", [40, 47, 59])
@pytest.mark.parametrize("more", range(20))
def test_a_difference_below_twenty_accounts_is_never_published(before: int, more: int) -> None:
    """Whatever the noise made of either: what is known is a step of 20 of the perturbed number."""
    for first in (-5, 0, 5):
        for second in (-5, 0, 5):
            known = (before + first) // 20 * 20, (before + more + second) // 20 * 20
            assert changed({"a": known[0]}, {"a": known[1]}) == {}


def test_a_cell_that_must_have_grown_by_twenty_is_corrected() -> None:
    assert changed({"a": 40, "b": 40}, {"a": 100, "b": 40}) == {"a": 100}
    assert changed({"a": 40, "b": 40}, {"a": 80, "b": 40}) == {}


@pytest.mark.parametrize("fewer", [20, 40])
def test_an_erasure_does_not_show(fewer: int) -> None:
    assert changed({"a": 60}, {"a": 60 - fewer}) == {}


def test_a_cell_that_vanished_stays() -> None:
    before, after = publication({"a": 40, "b": 40}), publication({"a": 40})
    added = revise(before, after, RULE, KEYS)
    kept = newest(pa.concat_tables([before, added]), KEYS)
    assert kept["key1"].to_pylist() == ["a", "b"]


def test_a_cell_that_was_hidden_appears_only_when_twenty_must_have_come() -> None:
    assert changed({"a": 40}, {"a": 40, "b": 60}) == {}
    assert changed({"a": 40}, {"a": 40, "b": 80}) == {"b": 80}


def test_accounts_that_an_erasure_moved_into_other_do_not_show() -> None:
    assert changed({"a": 40, "b": 25, "(other)": 30}, {"a": 40, "(other)": 54}) == {}


def test_a_cell_that_an_erased_account_had_dominated_does_not_appear() -> None:
    assert changed({"a": 60, "(other)": 71}, {"a": 60, "b": 50, "(other)": 20}) == {}


def test_one_shrunken_cell_freezes_its_window_only() -> None:
    before = pa.concat_tables([publication({"a": 40, "b": 40}), publication({"a": 40}, NEXT)])
    after = pa.concat_tables([publication({"a": 100, "b": 0}), publication({"a": 100}, NEXT)])
    assert revise(before, after, RULE, KEYS)["first_day"].to_pylist() == [NEXT]


def test_each_correction_counts_from_the_last_one_published() -> None:
    before = publication({"a": 40})
    first = revise(before, publication({"a": 100}), RULE, KEYS)
    table = newest(pa.concat_tables([before, first]), KEYS)
    assert table.select(["accounts", "revision"]).to_pylist() == [{"accounts": 100, "revision": 1}]
    assert revise(table, publication({"a": 140}), RULE, KEYS).num_rows == 0
    assert revise(table, publication({"a": 160}), RULE, KEYS)["revision"].to_pylist() == [2]


def test_many_small_steps_do_not_add_up_to_a_published_small_step() -> None:
    table = publication({"a": 30})
    seen = [30]
    for accounts in range(31, 220):
        added = revise(table, publication({"a": accounts}), RULE, KEYS)
        table = newest(pa.concat_tables([table, added]), KEYS)
        seen.append(table["accounts"].to_pylist()[0])
    steps = {later - earlier for earlier, later in pairwise(seen)}
    assert steps == {0, 49}


def measured(cells: dict[str, tuple[int, float | None]]) -> pa.Table:
    """A publication with a figure beside the steps of accounts."""
    table = publication({name: accounts for name, (accounts, _) in cells.items()})
    return table.append_column("value", pa.array([v for _, v in cells.values()], pa.float64()))


@pytest.mark.parametrize(("value", "corrected"), [(41.0, {"a"}), (42.0, set()), (None, set())])
def test_nothing_is_corrected_beside_a_cell_that_changed_by_few(
    value: float | None, corrected: set[str]
) -> None:
    """The one cell's growth and the whole's would tell how many came to the other."""
    before = measured({"a": (40, 45.0), "b": (40, 41.0)})
    added = revise(before, measured({"a": (100, 105.0), "b": (40, value)}), RULE, KEYS)
    assert set(added["key1"].to_pylist()) == corrected


@pytest.mark.parametrize(("more", "corrected"), [(48, {"a": 100}), (30, {})])
def test_what_stays_behind_has_surely_grown_by_twenty_together(
    more: int, corrected: dict[str, int]
) -> None:
    before = {"a": 40, "b": 100, "c": 100}
    assert changed(before, {"a": 100, "b": 100 + more, "c": 100 + more}) == corrected
