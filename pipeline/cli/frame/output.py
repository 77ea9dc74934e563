"""Everything that a command prints: data to standard output, messages to standard error.

A command hands over a result and how to say it; with `--json` the result alone is printed, as
one JSON document. Colour and rich tables appear only on a terminal and never with `NO_COLOR`.
"""

from __future__ import annotations

import json
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum
from typing import TextIO

import click

from pipeline.settings.load import wants_color

Cell = str | int | float | bool | date | None
PROGRESS_EVERY_S = 10.0


def plain(value: object) -> object:
    """The value as JSON can say it: times as RFC 3339, enums as their value."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def shown(cell: Cell, decimals: int = 2) -> str:
    """A table cell as text: thousands separated, a dash for None."""
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:,.{decimals}f}"
    return str(plain(cell)) if isinstance(cell, date) else cell


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def decimals_of(column: Sequence[Cell]) -> int:
    """How many decimals the numbers of a column need: 0 to 2, the same for all."""
    numbers = [cell for cell in column if isinstance(cell, float)]
    return next((d for d in (0, 1) if all(round(n, d) == round(n, 2) for n in numbers)), 2)


@dataclass(slots=True)
class Output:
    """Where a command's output goes, and how much of it is wanted."""

    json: bool = False
    quiet: bool = False
    verbose: int = 0
    log_form: str = "text"
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)

    def result(self, document: object, text: Callable[[], None]) -> None:
        """Print the result: as JSON if asked for, else by calling `text`."""
        if self.json:
            self.document(document)
        else:
            text()

    def document(self, document: object) -> None:
        """Print one JSON document on standard output."""
        self.line(json.dumps(document, default=plain, ensure_ascii=False))

    def line(self, text: str = "") -> None:
        """Print a line of data."""
        click.echo(text, file=self.out)

    def paragraph(self, text: str) -> None:
        """Print text in lines of at most 100 characters, the following ones indented."""
        for line in textwrap.wrap(text, 100, subsequent_indent="  ", break_long_words=False):
            self.line(line)

    def heading(self, text: str) -> None:
        """Print the title of what follows."""
        self.line(self._styled(text, self.out, bold=True))

    def say(self, text: str) -> None:
        """Print a message, unless `--quiet` was given."""
        if not self.quiet:
            click.echo(text, file=self.err)

    def detail(self, text: str) -> None:
        """Print a message if `--verbose` was given."""
        if self.verbose:
            click.echo(text, file=self.err)

    def warn(self, text: str) -> None:
        """Print a warning."""
        click.echo(self._styled(f"warning: {text}", self.err, fg="yellow"), file=self.err)

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, title: str = ""
    ) -> None:
        """Print a table: ruled on a terminal, aligned text otherwise; numbers to the right."""
        right = [
            bool(rows) and all(_is_number(row[i]) or row[i] is None for row in rows)
            for i in range(len(columns))
        ]
        decimals = [decimals_of([row[i] for row in rows]) for i in range(len(columns))]
        cells = [
            [shown(cell, places) for cell, places in zip(row, decimals, strict=True)]
            for row in rows
        ]
        if is_terminal(self.out):
            _ruled_table(columns, cells, right, title, color=wants_color())
            return
        if title:
            self.line(title)
        widths = [
            max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))
        ]
        for line in (list(columns), ["-" * width for width in widths], *cells):
            padded = (
                cell.rjust(width) if to_right else cell.ljust(width)
                for cell, width, to_right in zip(line, widths, right, strict=True)
            )
            self.line("  ".join(padded).rstrip())

    def _styled(self, text: str, stream: TextIO, **style: object) -> str:
        if not is_terminal(stream) or not wants_color():
            return text
        return click.style(text, **style)  # type: ignore[arg-type]

    @contextmanager
    def progress(self, label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show how long work goes on; the value of the context takes what was done since last.

        A bar on a terminal (a running count if nobody knows the total), else a line every ten
        seconds; nothing with `--quiet` or `--json`.
        """
        if self.quiet or self.json:
            yield lambda _: None
        elif total is not None and is_terminal(self.err):
            with click.progressbar(length=total, label=label, file=self.err) as bar:
                yield bar.update
        else:
            lines = _Lines(self, label, total, in_place=is_terminal(self.err))
            yield lines
            lines.close()


@dataclass(slots=True)
class _Lines:
    """Progress as text: one line every ten seconds, or one line that changes in place."""

    output: Output
    label: str
    total: int | None
    in_place: bool
    done: int = 0
    began: float = field(default_factory=lambda: time.monotonic())
    last: float = field(default_factory=lambda: time.monotonic())

    def __call__(self, step: int) -> None:
        self.done += step
        now = time.monotonic()
        if now - self.last < (0.2 if self.in_place else PROGRESS_EVERY_S):
            return
        self.last = now
        of = "" if self.total is None else f" of {self.total:,}"
        text = f"{self.label}: {self.done:,}{of}, {self.done / (now - self.began):,.0f}/s"
        if self.in_place:
            click.echo(f"\r{text}\x1b[K", file=self.output.err, nl=False)
        else:
            self.output.say(text)

    def close(self) -> None:
        """Clear the line that changed in place."""
        if self.in_place:
            click.echo("\r\x1b[K", file=self.output.err, nl=False)


def is_terminal(stream: TextIO) -> bool:
    """Whether a person reads this stream as it is written."""
    return stream.isatty()


def _ruled_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[bool],
    title: str,
    *,
    color: bool,
) -> None:
    # rich costs 80 ms to import: only when a terminal shows a table.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", title_style="bold")
    for name, to_right in zip(columns, right, strict=True):
        table.add_column(name, justify="right" if to_right else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(no_color=not color, highlight=False).print(table)
