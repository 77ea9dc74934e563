"""Each metric's figure, made from perturbed parts only.

A figure of rows begins with what every account contributed to every cell that the gate admits;
`privacy.figures.perturbation` adds it up and perturbs the sum; ratios, shares and means divide such
sums, and percentiles are read from perturbed histograms. No raw sum leaves this module.

The part that a ratio counts and its complement are cells of their own: where one of them would not
pass the gate, the ratio is only published as under or over a step of 1, 2, 5, 10 ... per cent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ops.rollup.registry import Metric, MetricKind
from pipeline.privacy.figures.gate import Admitted, Rule, holds
from pipeline.privacy.figures.perturbation import Parts, Perturbation, Perturbed
from pipeline.privacy.figures.siphash import Words
from pipeline.privacy.figures.tally import START, AccountTally, Bools, Floats, Ints, tally

EVENTS_FOR_PERCENTILES = 100
EVENTS_FOR_P99 = 1000
STEPS = [digit * 10.0**power for power in range(-5, 0) for digit in (1, 2, 5)]
"""The steps of ratios that are published as a limit."""

Columns = dict[str, Floats]
"""The measures of a metric's cells; NaN where one has no number."""


@dataclass(frozen=True, slots=True)
class RecordKeys:
    """The record key of every account of a load."""

    subjects: Ints
    """In ascending order."""
    keys: Words

    def of(self, entries: AccountTally) -> Words:
        """The key of each entry's account, 0 for events without one."""
        wanted = entries.subjects.to_numpy(zero_copy_only=False)
        keys = self.keys[np.searchsorted(self.subjects, wanted)] if len(wanted) else wanted
        return np.concatenate([np.zeros(1, np.uint64), keys.astype(np.uint64)])[entries.account]

    def of_subjects(self, subjects: pa.ChunkedArray) -> Words:
        """The key of each of these subjects, 0 for null."""
        at = pc.index_in(subjects, value_set=pa.array(self.subjects)).combine_chunks()
        keys = np.append(self.keys, np.uint64(0))
        return np.asarray(keys[pc.fill_null(at, len(self.keys)).to_numpy()], np.uint64)


@dataclass(frozen=True, slots=True)
class Cells:
    """The admitted cells of one pass, ready for any metric."""

    admitted: Admitted
    rule: Rule
    noise: Perturbation
    record_keys: RecordKeys
    keys: Words
    events: Perturbed
    accounts: Perturbed

    @property
    def count(self) -> int:
        """How many cells there are."""
        return int(self.admitted.cells.num_rows)

    def parts(self, amount: npt.NDArray[np.generic]) -> Parts:
        """Make parts from one amount per entry."""
        return Parts(self.admitted.entries.cell, self.keys, amount.astype(float))

    def passes(self, parts: Parts) -> Bools:
        """Tell which cells of those parts would pass the gate."""
        some = parts.amount > 0
        accounts = np.bincount(parts.cell[some & (parts.key != 0)], minlength=self.count)
        total = np.bincount(parts.cell, parts.amount, self.count)
        largest = np.zeros(self.count)
        np.maximum.at(largest, parts.cell, parts.amount)
        return holds(accounts, total, largest, self.rule)


def cells_of(admitted: Admitted, rule: Rule, noise: Perturbation, record_keys: RecordKeys) -> Cells:
    """Perturb what every metric needs: the cells' events and accounts."""
    entries = admitted.entries
    keys = record_keys.of(entries)
    parts = Parts(entries.cell, keys, entries.events.astype(float))
    count = admitted.cells.num_rows
    events = noise.apply(parts, count)
    accounts = noise.apply(parts.of_accounts(), count)
    return Cells(admitted, rule, noise, record_keys, keys, events, accounts)


def figure(metric: Metric, cells: Cells, contributions: pa.Table, by: Sequence[str]) -> Columns:
    """Return a metric's measures for every cell; a cell without any number is not shown."""
    events = np.maximum(cells.events.values, float(cells.rule.accounts))
    match metric.kind:
        case MetricKind.COUNT:
            return {"value": events, "error": cells.events.error}
        case MetricKind.ACCOUNTS:
            return {"value": cells.accounts.values, "error": cells.accounts.error}
        case MetricKind.SUM:
            amount = cells.admitted.entries.amounts[metric.name]
            added = cells.noise.apply(cells.parts(amount), cells.count)
            return {"value": added.values, "error": added.error}
        case MetricKind.SHARE:
            return _quotient(cells.accounts, _everybody(cells, contributions), 4)
        case MetricKind.PER_ACCOUNT:
            return _quotient(cells.events, cells.accounts, 6)
        case MetricKind.PERCENTILES:
            return _percentiles(metric, cells, contributions, by)
        case _:
            return _ratio(metric, cells)


def _everybody(cells: Cells, contributions: pa.Table) -> Perturbed:
    """The accounts of each cell's whole window, hidden cells included."""
    whole = tally(contributions, [])
    parts = Parts(whole.cell, cells.record_keys.of(whole), np.ones(len(whole.cell)))
    added = cells.noise.apply(parts.of_accounts(), whole.keys.num_rows)
    row = pc.index_in(
        cells.admitted.cells[START], value_set=whole.keys[START].combine_chunks()
    ).to_numpy()
    return Perturbed(added.values[row], added.scale[row])


def _quotient(above: Perturbed, below: Perturbed, most_digits: int) -> Columns:
    value = above.values / below.values
    error = np.hypot(above.error, value * below.error) / below.values
    return {
        "value": rounded(value, error, most_digits),
        "error": error,
        "numerator": above.values,
        "denominator": below.values,
    }


def _ratio(metric: Metric, cells: Cells) -> Columns:
    """Numerator over denominator. The smaller side is perturbed, so both sides agree."""
    amounts: Mapping[str, Floats] = cells.admitted.entries.amounts
    above = cells.parts(np.maximum(amounts[metric.name], 0.0))
    whole = cells.parts(np.maximum(amounts[f"{metric.name}/of"], 0.0))
    rest = cells.parts(np.maximum(whole.amount - above.amount, 0.0))
    sums = [np.bincount(parts.cell, parts.amount, cells.count) for parts in (above, rest)]
    few = sums[0] <= sums[1]
    below = cells.noise.apply(whole, cells.count)
    sides = [cells.noise.apply(parts, cells.count) for parts in (above, rest)]
    small = Perturbed(
        np.minimum(np.where(few, sides[0].values, sides[1].values), below.values),
        np.where(few, sides[0].scale, sides[1].scale),
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        part = small.values / below.values
        error = np.hypot(small.error, part * below.error) / below.values
    counted, complement = cells.passes(above), cells.passes(rest)
    number = counted & complement & (below.values > 0)
    numerator = np.where(few, small.values, below.values - small.values)
    value = np.where(number, rounded(np.where(few, part, 1 - part), error, 6), np.nan)
    under, over = counted < complement, complement < counted
    limit = np.full(cells.count, np.nan)
    for at in np.flatnonzero((under & few) | (over & ~few)):
        bound = max(small.values[at] + small.most[at], float(cells.rule.accounts))
        step = next((one for one in STEPS if one * below.values[at] >= bound), np.nan)
        limit[at] = step if few[at] else 1 - step
    shown = number | ~np.isnan(limit)
    return {
        "value": value,
        "error": np.where(number, error, np.nan),
        "numerator": np.where(number, numerator, np.nan),
        "denominator": np.where(shown, below.values, np.nan),
        "under": np.where(few, limit, np.nan),
        "over": np.where(few, np.nan, limit),
    }


def rounded(value: Floats, error: Floats, most: int) -> Floats:
    """Leave out the digits that the error makes meaningless.

    >>> rounded(np.array([0.123456, 0.123456]), np.array([0.02, 0.0003]), 6).tolist()
    [0.12, 0.1235]
    """
    with np.errstate(divide="ignore"):
        digits = np.ceil(-np.log10(np.where(error > 0, error, 1e-9)))
    scale = 10.0 ** np.clip(np.nan_to_num(digits, posinf=most), 1, most)
    return np.asarray(np.rint(value * scale) / scale)


def _percentiles(
    metric: Metric, cells: Cells, contributions: pa.Table, by: Sequence[str]
) -> Columns:
    fine = tally(contributions, [*by, "bucket"])
    names = [START, *by]
    labels = cells.admitted.labels
    columns = [labels[name].to_pylist() for name in names]
    row = dict(zip(zip(*columns, strict=True), labels["row"].to_pylist(), strict=True))
    places = zip(*(fine.keys[name].to_pylist() for name in names), strict=True)
    cell = np.array([row.get(place, -1) for place in places], np.int64)
    stored, bucket = np.unique(fine.keys["bucket"].to_numpy(), return_inverse=True)
    moved = fine.moved(np.where(cell < 0, -1, cell * len(stored) + bucket), fine.keys)
    parts = Parts(moved.cell, cells.record_keys.of(moved), moved.events.astype(float))
    shape = (cells.count, len(stored))
    added = cells.noise.apply(parts, cells.count * len(stored))
    counts, errors = added.values.reshape(shape), added.error.reshape(shape)
    total = counts.sum(axis=1)
    result = {f"p{q}": np.full(cells.count, np.nan) for q in metric.quantiles}
    for at in range(cells.count):
        held = np.flatnonzero(counts[at])
        for q in metric.quantiles:
            if total[at] >= (EVENTS_FOR_P99 if q > 95 else EVENTS_FOR_PERCENTILES):
                result[f"p{q}"][at] = quantile_of(
                    stored[held], counts[at][held], q / 100, metric.edges
                )
    with np.errstate(divide="ignore", invalid="ignore"):
        result["error"] = np.sqrt((errors**2).sum(axis=1)) / 2 / total
    return result


def quantile_of(values: Floats, counts: Floats, q: float, edges: Sequence[float] = ()) -> float:
    """The q-quantile of bucketed values, given each bucket's stored value and count.

    With `edges`, a stored value is the lower edge of its bucket and the bucket is assumed to be
    evenly filled up to the next edge (the last edge is never passed). Without, it is the
    geometric mean of a quarter octave, evenly filled on a log scale, and zero stays zero.

    >>> quantile_of(np.array([100.0, 119.0]), np.array([50, 50]), 0.5)
    109.0
    >>> quantile_of(np.array([60.0]), np.array([10]), 0.5, [0, 60, 300])
    180.0
    """
    reached = np.cumsum(counts)
    rank = q * reached[-1]
    at = min(int(np.searchsorted(reached, rank)), len(values) - 1)
    value = float(values[at])
    into = float((rank - (reached[at] - counts[at])) / counts[at])
    if edges:
        above = [edge for edge in edges if edge > value]
        return _short(value + into * (above[0] - value)) if above else value
    return _short(value * 2.0 ** ((into - 0.5) / 4)) if value > 0.0 else 0.0


def _short(value: float) -> float:
    """Round to three digits: neither buckets nor noise leave more."""
    return float(f"{value:.3g}")
