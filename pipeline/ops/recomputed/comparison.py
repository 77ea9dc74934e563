"""Published figures beside recomputed ones, number by number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ops.rollup.publication import KEYS
from pipeline.privacy.figures.equality import Bools, same

CLOCKS = timedelta(minutes=5)
"""How far apart the clocks of a writer and a rollup may be."""


class Compared(NamedTuple):
    """The cells of both, one row each."""

    both: pa.Table
    """Published values under their names, recomputed ones under `now_` and their names."""
    given: Bools
    """Cells that were recomputed."""
    equal: Bools
    """Those recomputed cells in which every number is the same."""


def compared(
    shown: pa.Table,
    fresh: pa.Table,
    columns: Sequence[str],
    how: Literal["left outer", "full outer"],
) -> Compared:
    """Compare these columns of the published cells, or of all cells."""
    again = fresh.select([*KEYS, *columns]).rename_columns(
        [*KEYS, *(f"now_{name}" for name in columns)]
    )
    again = again.append_column("given", pa.array([True] * fresh.num_rows, pa.bool_()))
    both = shown.select([*KEYS, *columns]).join(again, list(KEYS), join_type=how)
    given: Bools = pc.is_valid(both["given"]).to_numpy(zero_copy_only=False)
    equal = given.copy()
    for name in columns:
        equal &= same(both[name], both[f"now_{name}"])
    return Compared(both, given, equal)
