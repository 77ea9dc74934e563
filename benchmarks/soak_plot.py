"""Draw what `benchmarks.soak` has sampled: one small chart a series, as one SVG.

    python -m benchmarks.soak_plot SOAK.json docs/images/soak.svg

Each chart begins at zero, so that what grows is seen to grow. Single samples are faint, the
median of a minute is the line.
"""

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

CHARTS = {
    "rss_mib": "Resident memory of all processes, MiB",
    "descriptors": "Open descriptors of all processes",
    "threads": "Threads of all processes",
    "log_files": "Files of the log",
    "log_kib": "Size of the log, KiB",
    "load_ms": "Loading the log, ms",
    "slice_ms": "A slice, from its cut to its commit, ms",
}
WIDTH, HEIGHT, LEFT, GAP = 420, 90, 70, 46
COLUMNS = 2
STYLE = (
    "text{font:12px sans-serif;fill:#57606a}.title{font-weight:600}"
    ".axis{stroke:#8c959f;fill:none}.one{stroke:#0969da;stroke-width:3;stroke-linecap:round;opacity:.25}"
    ".line{stroke:#0969da;stroke-width:2;fill:none}"
)

Samples = Sequence[Mapping[str, float]]


def medians(samples: Samples, name: str) -> list[tuple[float, float]]:
    """The median of each minute, at its middle."""
    minutes: dict[int, list[float]] = {}
    for one in samples:
        minutes.setdefault(int(one["seconds"] // 60), []).append(one[name])
    return [(60 * minute + 30, statistics.median(of)) for minute, of in sorted(minutes.items())]


def chart(samples: Samples, name: str, left: float, top: float) -> str:
    """One series against the minutes of the run."""
    end = max(one["seconds"] for one in samples)
    most = max(max(one[name] for one in samples), 1e-9)

    def at(seconds: float, value: float) -> str:
        x, y = left + WIDTH * seconds / end, top + HEIGHT * (1 - value / most)
        return f"{x:.1f},{y:.1f}"

    dots = "".join(f"M{at(one['seconds'], one[name])}h0" for one in samples)
    line = " ".join(at(min(seconds, end), value) for seconds, value in medians(samples, name))
    bottom = top + HEIGHT
    return (
        f'<text class="title" x="{left}" y="{top - 8}">{CHARTS[name]}</text>'
        f'<path class="axis" d="M{left},{top}V{bottom}H{left + WIDTH}"/>'
        f'<text x="{left - 6}" y="{top + 10}" text-anchor="end">{most:,.0f}</text>'
        f'<text x="{left - 6}" y="{bottom}" text-anchor="end">0</text>'
        f'<text x="{left + WIDTH}" y="{bottom + 15}" text-anchor="end">{end / 60:.0f} min</text>'
        f'<path class="one" d="{dots}"/><polyline class="line" points="{line}"/>'
    )


def drawing(samples: Samples) -> str:
    """All series as one SVG; what came before the first commit is left out."""
    samples = [one for one in samples if one["log_files"]]
    shown = [name for name in CHARTS if all(name in one for one in samples)]
    rows = -(-len(shown) // COLUMNS)
    width, height = COLUMNS * (LEFT + WIDTH + 30), rows * (HEIGHT + GAP) + 20
    charts = "\n".join(
        chart(
            samples,
            name,
            LEFT + (index % COLUMNS) * (LEFT + WIDTH + 30),
            26 + (index // COLUMNS) * (HEIGHT + GAP),
        )
        for index, name in enumerate(shown)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
        f"<style>{STYLE}</style>"
        f'<rect width="{width}" height="{height}" fill="#fff"/>\n{charts}\n</svg>\n'
    )


def main(words: Sequence[str]) -> int:
    """Read the samples, write the drawing."""
    source, target = map(Path, words)
    target.write_text(drawing(json.loads(source.read_text("utf-8"))["samples"]), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
