"""Code blocks of the documents, as data: where they stand, their language, their text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.docs.tables import ROOT, documents

MADE = "<!-- Made by `telemetry"
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Example:
    """One fenced block."""

    path: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The lines after a `$` prompt, of a console block."""
        joined = self.text.replace("\\\n", " ")
        return [line[2:] for line in joined.splitlines() if line.startswith("$ ")]


def examples(language: str) -> list[Example]:
    """Every block of a language in the README and the documents.

    Pages that are made from the code as a whole are left out: their source is tested instead.
    """
    found = []
    for path in documents():
        text = path.read_text("utf-8")
        if MADE in text:
            continue
        for match in BLOCK.finditer(text):
            if match["language"] == language:
                line = text.count("\n", 0, match.start()) + 1
                found.append(Example(path, line, language, match["text"]))
    return found
