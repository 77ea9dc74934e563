"""docs/metrics.md: every metric in words and in SQL, generated from the registry."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.ops.rollup.registry import Metric, MetricKind, Registry
from pipeline.ops.rollup.sql import Pass, contribution_sql

_MADE = "<!-- Made by `telemetry reference` from schemas/metrics: change those, then run it. -->"

PAGES = {
    "overview": "Overview",
    "health": "API health",
    "sessions": "Sessions",
    "adoption": "Adoption",
    "audience": "Audience",
    "quality": "Data quality and privacy",
}

_HOW = {
    MetricKind.COUNT: "Events of the cell.",
    MetricKind.ACCOUNTS: "Distinct accounts of the cell.",
    MetricKind.SUM: "`{measure}` over the cell.",
    MetricKind.RATIO: "`{measure}` over `{denominator}`, both added up over the cell.",
    MetricKind.SHARE: "Distinct accounts of the cell over those of the window.",
    MetricKind.PER_ACCOUNT: "Events over distinct accounts of the cell.",
    MetricKind.PERCENTILES: "{quantiles} of `{measure}`, interpolated inside its bucket.",
    MetricKind.FACT: "Counted by the pipeline itself, not from rows, and shown coarsely.",
}


def metrics_page(registry: Registry) -> str:
    """The page as Markdown; equal registries give equal text."""
    return "\n".join(_lines(registry)) + "\n"


def _lines(registry: Registry) -> Iterator[str]:
    yield from (
        "# Metrics",
        "",
        _MADE,
        "",
        "`telemetry rollup` publishes these figures as Parquet in `<lake>/rollups/<metric>/`, and",
        "the dashboard shows them. Every file has the same columns, so `rollups/*/*.parquet` is one",
        "table:",
        "",
        "| column | meaning |",
        "| --- | --- |",
        "| `grain` | `day`, `week` (ISO, from Monday) or `period` (one key period of 28 days) |",
        "| `cut` | the dimensions, comma between them; empty: the total |",
        "| `first_day`, `last_day` | the window, both days inclusive, UTC |",
        "| `key1`, `key2` | the cell; `(other)` holds all cells that may not stand alone |",
        "| `value` | the figure, perturbed; ratios and shares as a fraction of one |",
        "| `error` | standard deviation of `value`'s perturbation; of percentiles, of their rank |",
        "| `under`, `over` | instead of `value`: a part is of fewer than 20 accounts, all that is |",
        "| | said is that the ratio is below or above this |",
        "| `numerator`, `denominator` | of ratios, shares and means, perturbed: add them up over |",
        "| | windows, then divide; a row with a limit has no numerator and is left out of both |",
        "| `p50` ... `p99` | percentiles, instead of `value` |",
        "| `accounts` | at least so many accounts, in steps of 20; null for the pipeline's counts |",
        "| `revision` | 0 as first published, one more with every correction |",
        "| `made_of` | stands for the rows, the rule and the definition, under a key: `audit` compares |",
        "| `published_at` | when this row was published |",
        "",
        "**Figures are perturbed by about +-2 accounts so that nobody can be singled out.** Counts of",
        "accounts are never more than 5 off, and unbiased. Counts of events and sums change by about",
        "as much as the cell's largest account contributes: `error` says it for each figure. The same",
        "accounts always get the same noise, so asking twice gives the same figure. Cells are perturbed",
        "one by one: they do not add up exactly to their total. [Privacy](privacy.md#figures) says how.",
        "",
        "Totals are published by day; tables cut by a dimension by whole ISO week, so that a range of",
        "weeks adds up. Counts, sums, numerators and denominators add up over days or weeks; accounts",
        "and percentiles do not, and are published by key period (28 days) as well.",
        "",
        "A cell has at least 20 accounts, none with more than 80 % of its events; percentiles need 100",
        "events, the 99th 1,000. Cells that fail are merged into `(other)`; where that would fail, the",
        "smallest other cell joins it, in a table of two dimensions also within its row and column.",
        "Events without a dimension are its cell `(not reported)`. A published figure is frozen: see",
        "[the dashboard](dashboard.md). `rollups/manifest.json` holds these definitions, the rules, the",
        "version of the method (`perturbation`) and of the format (`version`, now 2), and the last runs.",
    )
    for page, title in PAGES.items():
        yield from ("", f"## {title}")
        for metric in registry.metrics.values():
            if metric.page == page:
                yield from _metric(metric)
    yield from (
        "",
        "## Populations",
        "",
        "The rows behind the figures, over the views of `telemetry sql`",
    )
    yield from ("plus `week` and `period`, the first days of ISO week and key period.",)
    for population in registry.populations.values():
        yield from ("", f"### `{population.name}`", "", population.sentence, "")
        yield from ("```sql", population.sql, "```")


def _metric(metric: Metric) -> Iterator[str]:
    yield from ("", f"### `{metric.name}`: {metric.title}", "", metric.sentence)
    if metric.caveat:
        yield from ("", metric.caveat)
    how = _HOW[metric.kind].format(
        measure=metric.measure,
        denominator=metric.denominator,
        quantiles=", ".join(f"p{quantile}" for quantile in metric.quantiles),
    )
    better = {"up": "higher is better", "down": "lower is better", "neither": "neither is better"}
    unit = "a fraction" if metric.unit == "ratio" else metric.unit
    yield from ("", f"{how} In {unit}; {better[metric.good]}.")
    if metric.population:
        cuts = "; ".join(
            f"{window.value} by {' and '.join(f'`{name}`' for name in by) or 'nothing'}"
            for window, by in metric.tables
        )
        yield from (f"Population: [`{metric.population}`](#{metric.population}). Tables: {cuts}.",)
        window, by = metric.tables[0]
        task = Pass(
            metric.population,
            window,
            by,
            metric.measure if metric.kind is MetricKind.PERCENTILES else "",
            (metric,),
        )
        given = "What the gate and the perturbation are given"
        yield from ("", f"<details><summary>{given}</summary>", "", "```sql")
        yield contribution_sql(task)
        yield from ("```", "", "</details>")
