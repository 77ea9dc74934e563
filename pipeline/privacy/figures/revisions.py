"""What a recomputed publication may change in the one that people have already seen.

Two versions of one table differ by what arrived, or was erased, in between. If that is one
account, the difference describes it. So a publication is frozen cell by cell: a cell is
corrected only when at least 20 accounts were added to it, and it never shrinks, because
rows only leave by erasure or expiry and neither may show in an aggregate.

Only the perturbed number of accounts of a published cell is known, in steps of the smallest group,
so a cell must grow by more than that can hide. If one cell of a table were corrected and another
that changed as well were not, any table corrected as a whole would reveal the other's few accounts.
So either no changed cell stays behind, or those that do have themselves grown by that much.

Pure: Arrow tables in, Arrow tables out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.privacy.figures.equality import same
from pipeline.privacy.figures.gate import OTHER, Rule
from pipeline.privacy.figures.ptable import BOUND

STEP = 20
"""A cell is corrected only when it has grown by at least this many accounts."""


def least_growth(rule: Rule) -> int:
    """Return by how much published accounts must have grown to be sure of `STEP` more accounts.

    >>> least_growth(Rule())
    49
    """
    return STEP + _hidden(rule)


def _hidden(rule: Rule) -> int:
    """Return by how much two published numbers of accounts can differ without any growth."""
    return rule.accounts - 1 + 2 * BOUND


def revise(published: pa.Table, fresh: pa.Table, rule: Rule, keys: Sequence[str]) -> pa.Table:
    """Return the rows of `fresh` that may be published now, with their `revision`.

    Both tables have the `keys` of a cell (the first three name one window's table), `accounts`
    and `revision` (int16). `published` holds the newest revision of each cell. A window never
    published before is published as it is, revision 0. In any other window a cell needs `STEP`
    more accounts than before, and a new cell as many as if it had been hidden with one account
    too few.

    A window in which any named cell shrank (by more than a step) or vanished, or which did not grow
    by `STEP` as a whole, stays as it is: an erasure can move a cell's remaining accounts into
    `(other)`, or let a cell pass that one account had dominated, and either would look like growth.
    So does a window with cells that changed (any figure, all of them floats) and would stay behind,
    unless these have certainly grown by `STEP` together.
    """
    window = list(keys[:3])
    figures = [item.name for item in published.schema if pa.types.is_floating(item.type)]
    kept = ["accounts", "revision", *figures]
    before = published.select([*keys, *kept]).rename_columns(
        [*keys, *(f"last_{name}" for name in kept)]
    )
    both = fresh.drop_columns(["revision"]).join(before, keys=list(keys), join_type="full outer")
    last = pc.fill_null(both["last_accounts"], rule.accounts - 1)
    now = pc.fill_null(both["accounts"], 0)
    grown = pc.greater_equal(pc.subtract(now, last), least_growth(rule))
    shrank = pc.and_(
        pc.and_(pc.is_valid(both["last_accounts"]), pc.less(now, pc.subtract(last, rule.accounts))),
        pc.not_equal(both[keys[-2]], OTHER),
    )
    behind = pc.and_(_changed(both, ["accounts", *figures]), pc.invert(grown))
    more = pc.if_else(behind, pc.subtract(pc.subtract(now, last), _hidden(rule)), 0)
    both = both.append_column("grown", grown).append_column("more", more)
    both = both.append_column("behind", pc.cast(behind, pa.int64()))
    verdict = _verdict(both.append_column("shrank", pc.cast(shrank, pa.int64())), window, rule)
    judged = both.join(verdict, keys=window, join_type="left outer")
    allowed = pc.or_(judged["first"], pc.and_(judged["grows"], judged["grown"]))
    revision = pc.add(pc.fill_null(pc.cast(judged["last_revision"], pa.int64()), -1), 1)
    judged = judged.append_column("revision", pc.cast(revision, pa.int16()))
    judged = judged.filter(pc.and_(allowed, pc.is_valid(judged["accounts"])))
    return judged.select(fresh.column_names).cast(fresh.schema)


def _verdict(both: pa.Table, window: Sequence[str], rule: Rule) -> pa.Table:
    """Per window: whether it is published for the first time, and whether it grows as a whole."""
    sums = both.group_by(list(window), use_threads=False).aggregate(
        [
            ("accounts", "sum"),
            ("last_accounts", "sum"),
            ("last_accounts", "count"),
            ("shrank", "sum"),
            ("behind", "sum"),
            ("more", "sum"),
        ]
    )
    gain = pc.subtract(
        pc.fill_null(sums["accounts_sum"], 0), pc.fill_null(sums["last_accounts_sum"], 0)
    )
    grows = pc.and_(pc.equal(sums["shrank_sum"], 0), pc.greater_equal(gain, least_growth(rule)))
    nothing = pc.equal(sums["behind_sum"], 0)
    grows = pc.and_(grows, pc.or_(nothing, pc.greater_equal(sums["more_sum"], STEP)))
    verdict = sums.select(list(window))
    verdict = verdict.append_column("first", pc.equal(sums["last_accounts_count"], 0))
    return verdict.append_column("grows", grows)


def _changed(both: pa.Table, columns: Sequence[str]) -> pa.Array:
    """Tell which cells differ from before; new and vanished ones do."""
    changed = np.zeros(both.num_rows, bool)
    for name in columns:
        changed |= ~same(both[f"last_{name}"], both[name])
    return pa.array(changed)


def newest(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Keep the newest revision of each cell, in the order of the keys."""
    last = table.group_by(list(keys), use_threads=False).aggregate([("revision", "max")])
    last = last.rename_columns([*keys, "revision"])
    kept = table.join(last, keys=[*keys, "revision"], join_type="inner")
    kept = kept.select(table.column_names).cast(table.schema)
    return kept.sort_by([(name, "ascending") for name in keys])
