"""What a recomputed publication may change of the one that people have already seen.

Two versions of one table differ by what arrived, or was erased, in between. If that is one
account, the difference describes it. So a publication is frozen cell by cell: a cell is
published anew only when at least 20 accounts were added to it, and it never shrinks, because
rows only leave by erasure or expiry and neither may show in an aggregate.

Pure: Arrow tables in, Arrow tables out.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.privacy.gate import Rule

STEP = 20
"""A cell is corrected only when it has grown by at least this many accounts."""


def revise(published: pa.Table, fresh: pa.Table, rule: Rule, keys: Sequence[str]) -> pa.Table:
    """Give the rows of `fresh` that may be published now, with their `revision`.

    Both tables have the `keys` of a cell (the first three name one window's table), `accounts`
    and `revision` (int16). `published` holds the newest revision of each cell. A window never
    published before is published as it is, revision 0. In any other window a cell needs `STEP`
    more accounts than before, and a new cell as many as if it had been hidden with one account
    too few.
    """
    window = list(keys[:3])
    seen = published.group_by(window, use_threads=False).aggregate([])
    seen = seen.append_column("seen", pa.array([True] * seen.num_rows, pa.bool_()))
    last = published.select([*keys, "accounts", "revision"]).rename_columns(
        [*keys, "last_accounts", "last_revision"]
    )
    joined = fresh.drop_columns(["revision"]).join(seen, keys=window, join_type="left outer")
    joined = joined.join(last, keys=list(keys), join_type="left outer")
    before = pc.fill_null(joined["last_accounts"], rule.accounts - 1)
    slack = rule.rounding // 2
    grown = pc.greater_equal(pc.subtract(joined["accounts"], before), STEP + slack)
    allowed = pc.or_(pc.is_null(joined["seen"]), grown)
    revision = pc.add(pc.fill_null(pc.cast(joined["last_revision"], pa.int64()), -1), 1)
    joined = joined.append_column("revision", pc.cast(revision, pa.int16()))
    return joined.filter(allowed).select(fresh.column_names).cast(fresh.schema)


def newest(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Keep the newest revision of each cell, in the order of the keys."""
    last = table.group_by(list(keys), use_threads=False).aggregate([("revision", "max")])
    last = last.rename_columns([*keys, "revision"])
    kept = table.join(last, keys=[*keys, "revision"], join_type="inner")
    kept = kept.select(table.column_names).cast(table.schema)
    return kept.sort_by([(name, "ascending") for name in keys])
