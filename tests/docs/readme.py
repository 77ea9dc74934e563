"""The README shows what `telemetry demo` really prints: this takes the excerpt from a run.

python -m tests.docs.readme      runs the demo and rewrites the excerpt
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.docs.tables import ROOT

README = ROOT / "README.md"
PLACE = re.compile(r"(<!-- excerpt of the demo -->\n```text\n).*?(^```$)", re.M | re.S)
SHOWN = ("Ask questions", "Search everything")
"""Sections of the demo that the README shows, by the beginning of their titles."""


def demo(folder: Path, *words: str) -> str:
    """What a demo in `folder` prints."""
    return printed(folder, "demo", "--dir", "demo", *words)


def printed(folder: Path, *words: str) -> str:
    """What `telemetry` prints in `folder` on a terminal of 100 columns."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "telemetry"), *words],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def excerpt(printed: str) -> str:
    """The shown sections; of questions only the first, and a line of dots for what is left out."""
    sections = [part.strip() for part in re.split(r"^(?=== )", printed, flags=re.M)]
    kept = []
    for section in sections:
        title, *paragraphs = section.split("\n\n")
        if section.startswith("== Ask"):
            kept.append("\n\n".join([title, paragraphs[0], "..."]))
        elif section.startswith(tuple(f"== {title}" for title in SHOWN)):
            kept.append(section)
    return "\n\n".join(kept) + "\n"


def main() -> None:
    """Run the demo in a folder of its own and write its excerpt into the README."""
    with tempfile.TemporaryDirectory() as place:
        text = excerpt(demo(Path(place)))
    before = README.read_text("utf-8")
    README.write_text(PLACE.sub(lambda match: f"{match[1]}{text}{match[2]}", before), "utf-8")


if __name__ == "__main__":
    main()
