"""The pipeline's own counts, recomputed and compared.

What was read, refused and dropped on a day is recomputed from the log, for as long as it holds all
of that day's commits; what the gate hid of a window, from the rows that its figures were made of.
Counts of files, and facts as of a moment, are recomputed in `counts`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.io.lake.commits import Commit, History
from pipeline.io.lake.publications import RollupStore
from pipeline.ops.recomputed.comparison import compared
from pipeline.ops.rollup.pipeline_metrics import Facts, fact_rows
from pipeline.ops.rollup.publication import MEASURES, PUBLISHED
from pipeline.privacy.figures.tally import START

FROM_THE_LOG = ("completeness", "rejected", "dropped", "opt_out_rate")
SUPPRESSED = "suppressed"
TOTAL = "total"


def wrong_log_facts(
    histories: Sequence[History], store: RollupStore, now: datetime
) -> tuple[int, list[tuple[str, int]]]:
    """Compare what is published about messages with the logs' accounts, of every event.

    Returns how many are equal, and (metric, how many are not). Raises LakeError.
    """
    commits = [one for log in histories for one in log.commits]
    since = max((log.since for log in histories), default=date.min)
    equal, wrong = 0, list[tuple[str, int]]()
    for name in FROM_THE_LOG:
        shown = store.read(name, PUBLISHED)
        days = set(pc.unique(shown["first_day"]).to_pylist())
        odd = 0
        for day in (one for one in days if since <= one < now.date()):
            mine = shown.filter(pc.equal(shown["first_day"], pa.scalar(day)))
            that = [one for one in commits if one.at.astimezone(UTC).date() == day]
            differ = _differences(mine, name, that, now)
            equal, odd = equal + mine.num_rows - differ, odd + differ
        if odd:
            wrong.append((name, odd))
    return equal, wrong


def _differences(shown: pa.Table, name: str, commits: Sequence[Commit], now: datetime) -> int:
    """Cells of a day that neither its commits up to publication nor all its commits give."""
    at = max(pc.unique(shown["published_at"]).to_pylist())
    known = [commits, [one for one in commits if one.at <= at]]
    return min(_cells(shown, fact_rows(Facts(mine), {}, now).get(name)) for mine in known)


def _cells(shown: pa.Table, fresh: pa.Table | None) -> int:
    if fresh is None:
        return int(shown.num_rows)
    equal = compared(shown, fresh, MEASURES, "full outer").equal
    return int(np.count_nonzero(~equal))


def wrong_hidden(
    shown: pa.Table,
    metric: str,
    grain: str,
    by: Sequence[str],
    hidden: pa.Table,
    starts: Collection[date],
) -> Iterator[date]:
    """Windows whose published share of hidden events is not what their rows give.

    `hidden`: as `publication.publish` returns it. `starts`: windows whose rows have not changed.
    """
    mine = pc.and_(pc.equal(shown["grain"], grain), pc.equal(shown["key1"], metric))
    mine = pc.and_(mine, pc.equal(shown["key2"], ",".join(by) or TOTAL))
    said = shown.filter(mine).select(["first_day", "value"]).to_pylist()
    share = dict(zip(*(hidden[name].to_pylist() for name in (START, "share")), strict=True))
    for row in said:
        start, value = row["first_day"], row["value"]
        if start in starts and start in share:
            now = share[start]
            if (value is None) != (now is None) or abs((value or 0.0) - (now or 0.0)) > 1e-9:
                yield start
