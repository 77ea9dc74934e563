"""Render the results of a run as one static page: each figure beside its floor and its aim.

    python -m benchmarks.page RESULTS.json PAGE.html

The page requests nothing: its style and plots are inside it. What passed and what did not is said
in words, colour only repeats it. A figure that the results do not hold is shown as not measured.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.targets import TARGETS, Results, Target, found

WIDTH, ROW, BAR, LEFT = 640, 22, 14, 230
STYLE = """
body{font:15px/1.5 sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1f2328}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}
th,td{padding:.2rem .7rem;border-bottom:1px solid #d1d9e0;text-align:right}
th:first-child,td:first-child{text-align:left}
.failed{background:#ffebe9;color:#82071e}.met,.short{background:#fff8c5;color:#4d2d00}
.aimed{background:#dafbe1;color:#044f1e}.missing{color:#59636e}
pre{white-space:pre-wrap;background:#f6f8fa;padding:.7rem}svg{max-width:100%;height:auto}
svg text{font:12px sans-serif;fill:#1f2328}svg .bar{fill:#0969da}svg .ours{fill:#1a7f37}
"""


def page(results: Results) -> str:
    """The whole page; texts of the results are escaped."""
    machine = escape(str(results.get("machine", "unknown machine")))
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><title>Benchmarks</title>',
        f"<style>{STYLE}</style></head><body><h1>Benchmarks</h1>",
        f"<p>{machine}. Figures of one run: machines differ, compare ratios.</p>",
        targets_table(results),
        *(section(name, of) for name, of in results.items() if isinstance(of, Mapping)),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def targets_table(results: Results) -> str:
    """Every declared target with its figure and verdict."""
    rows = "\n".join(_target_row(target, found(target, results)) for target in TARGETS)
    head = "<tr><th>figure</th><th>measured</th><th>floor</th><th>aim</th><th></th></tr>"
    return f"<h2>Floors and aims</h2>\n<table>{head}\n{rows}\n</table>"


def _target_row(target: Target, value: float | None) -> str:
    verdict = target.verdict(value)
    sign = "at least" if target.more else "at most"
    limits = [
        f"{sign} {_figure(limit)}" if limit is not None else ""
        for limit in (target.floor, target.aim)
    ]
    shown = verdict.value if value is None else f"{_figure(value)} {target.unit}"
    return (
        f"<tr><td>{escape(target.what)}</td><td>{escape(shown)}</td><td>{limits[0]}</td>"
        f'<td>{limits[1]}</td><td class="{verdict.name.lower()}">{verdict.value}</td></tr>'
    )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def section(name: str, values: Mapping[str, Any]) -> str:
    """One benchmark: its runs as tables and plots, its report, or why it failed."""
    parts = [f"<h2>{escape(name)}</h2>"]
    for key, rows in values.items():
        if _are_runs(rows):
            parts.append(f"<h3>{escape(key)}</h3>{bars(rows)}{runs_table(rows)}")
    for key, sizes in _growths(values):
        parts.append(f"<h3>{escape(key)}</h3>{curve(sizes)}")
    if report := values.get("report"):
        parts.append(f"<pre>{escape(str(report))}</pre>")
    if failed := values.get("failed"):
        parts.append(f'<p class="failed">Not measured, it failed: {escape(str(failed))}</p>')
    return "\n".join(parts)


def _are_runs(rows: object) -> bool:
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(isinstance(row, dict) and "per_cpu_second" in row for row in rows)
    )


def runs_table(rows: Sequence[Results]) -> str:
    """Runs of contenders as a table."""
    columns = {
        "events": "events",
        "per_cpu_second": "events per CPU-second",
        "cpu_seconds": "CPU s",
        "peak_mib": "peak MiB",
        "input_bytes": "bytes an event",
        "stored_bytes": "stored bytes a kept event",
    }
    shown = {key: text for key, text in columns.items() if any(row.get(key) for row in rows)}
    head = "".join(f"<th>{text}</th>" for text in ("run", *shown.values()))
    body = "\n".join(
        f"<tr><td>{escape(str(row['name']))}</td>"
        + "".join(f"<td>{_cell(row.get(key))}</td>" for key in shown)
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>\n{body}</table>"


def _cell(value: object) -> str:
    return _figure(float(value)) if isinstance(value, int | float) else "not measured"


def bars(rows: Sequence[Results]) -> str:
    """Events per CPU-second of each run as a bar; ours is another colour, the number is text."""
    return _bars(
        "Events per CPU-second",
        [(str(row["name"]), float(row["per_cpu_second"])) for row in rows],
    )


def _growths(values: Mapping[str, Any]) -> Iterator[tuple[str, dict[int, dict[str, float]]]]:
    """Parts whose keys are sizes, each with figures of the same names."""
    for key, sizes in values.items():
        if isinstance(sizes, Mapping) and sizes and all(str(size).isdigit() for size in sizes):
            yield key, {int(size): dict(row) for size, row in sizes.items()}


def curve(sizes: Mapping[int, Mapping[str, float]]) -> str:
    """Each figure at each size, as bars from zero: what grows is seen to grow."""
    return "".join(
        f"<h4>{escape(name)}</h4>"
        + _bars(name, [(f"{size:,}", float(row[name])) for size, row in sorted(sizes.items())])
        for name in next(iter(sizes.values()))
    )


def _bars(title: str, values: Sequence[tuple[str, float]]) -> str:
    """Draw labelled values from zero to the largest."""
    most = max(value for _, value in values) or 1.0
    marks = []
    for at, (name, value) in enumerate(values):
        top, length = at * ROW + 4, (WIDTH - LEFT - 90) * value / most
        kind = "ours" if name.startswith("telemetry") else "bar"
        marks.append(
            f'<text x="{LEFT - 8}" y="{top + 11}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="{kind}" x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR}"/>'
            f'<text x="{LEFT + length + 6:.1f}" y="{top + 11}">{_figure(value)}</text>'
        )
    height = len(values) * ROW + 8
    return (
        f'<svg role="img" aria-label="{escape(title)}" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}">{"".join(marks)}</svg>'
    )


def main(words: Sequence[str]) -> int:
    """Read the results, write the page; exit code 2 without both names."""
    if len(words) != 2:
        print("usage: python -m benchmarks.page RESULTS.json PAGE.html", file=sys.stderr)
        return 2
    source, target = map(Path, words)
    target.write_text(page(json.loads(source.read_text("utf-8"))), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
