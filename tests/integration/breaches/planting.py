"""An installation to break, and the list of all breaches.

A breach is a function that changes a copy of a sound installation in one way. Its decorator says
which promise it breaks, which check must say so, and words of the place and the reason that the
report must name. Values that are planted begin with one of `MARKS`; no report may repeat them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.io.parquet.encoding import kind_of, part_writer

EMAIL, ADDRESS, NAME = "alice.smith@example.com", "203.0.113.77", "JohnSmithBot"
MARKS = ("alice.smith", ADDRESS, NAME)


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the sound installation."""

    folder: Path

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def site(self) -> Path:
        return self.folder / "dashboard"

    def parts(self, table: str = "events/api_request", kind: str = "") -> list[Path]:
        """Data files of a table, oldest day first; `kind` is the first word of their names."""
        return sorted((self.lake / table).glob(f"event_date=*/{kind}*.parquet"))

    def log(self, table: str = "events/api_request") -> Path:
        """The newest entry of a table's log."""
        return sorted((self.lake / table / "_delta_log").glob("*.json"))[-1]

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The entries of a file of the state folder."""
        text = (self.state / name).read_text("utf-8")
        return [json.loads(line) for line in text.splitlines() if line.strip()]


@dataclass(frozen=True, slots=True)
class Breach:
    """One breach and what an audit must say of it."""

    plant: Callable[[Copy], None]
    promise: str
    check: str
    told: tuple[str, ...]
    """Parts of the evidence: of the place, and of the reason."""

    @property
    def name(self) -> str:
        return self.plant.__name__


BREACHES: list[Breach] = []


def breach(
    promise: str, check: str, *told: str
) -> Callable[[Callable[[Copy], None]], Callable[[Copy], None]]:
    """List a function as a breach."""

    def listed(plant: Callable[[Copy], None]) -> Callable[[Copy], None]:
        BREACHES.append(Breach(plant, promise, check, told))
        return plant

    return listed


def rewrite(part: Path, change: Callable[[pa.Table], pa.Table], **options: Any) -> None:
    """Replace a file's rows by what `change` makes of them; written by our writer, or as said."""
    with pq.ParquetFile(part) as file:
        table = change(file.read())
    mode = part.stat().st_mode
    if options:
        pq.write_table(table, part, **options)
    else:
        with part.open("wb") as sink, part_writer(sink, table.schema, kind_of(part.name)) as file:
            file.write_table(table)
    part.chmod(mode)


def set_first(part: Path, column: str, value: object) -> None:
    """Give the first row another value; everything else stays, written as ours are."""

    def change(table: pa.Table) -> pa.Table:
        index = table.schema.get_field_index(column)
        field = table.schema.field(index)
        values = [value, *table[column].to_pylist()[1:]]
        return table.set_column(index, field, pa.array(values, field.type))

    rewrite(part, change)


def change_entry(
    entry: Path, action: str, change: Callable[[dict[str, Any]], None], *, last: bool = True
) -> None:
    """Change one action of a log entry in place."""
    lines = [json.loads(line) for line in entry.read_text("utf-8").splitlines()]
    chosen = [line for line in lines if action in line]
    change(chosen[-1 if last else 0][action])
    entry.write_text("\n".join(json.dumps(line) for line in lines) + "\n", "utf-8")


def with_action(it: Copy, action: str, table: str = "events/api_request") -> Path:
    """The newest log entry that has such an action."""
    entries = sorted((it.lake / table / "_delta_log").glob("*.json"))
    return next(one for one in reversed(entries) if f'"{action}":' in one.read_text("utf-8"))


def with_account(it: Copy, table: str = "events/session") -> Path:
    """The newest log entry that has the account of a slice."""
    entries = sorted((it.lake / table / "_delta_log").glob("*.json"))
    return next(one for one in reversed(entries) if '"dropped":' in one.read_text("utf-8"))


def append_line(it: Copy, name: str, entry: Mapping[str, object] | str) -> None:
    """Add a line to a file of the state folder."""
    with (it.state / name).open("a", encoding="utf-8") as file:
        file.write((entry if isinstance(entry, str) else json.dumps(entry)) + "\n")


def change_lines(it: Copy, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the first entry of a file of the state folder."""
    entries = it.lines(name)
    change(entries[0])
    text = "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in entries)
    (it.state / name).write_text(text, "utf-8")


def put(path: Path, content: bytes = b"x", mode: int = 0o600) -> None:
    """Write a file where none was, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def set_cells(it: Copy, metric: str, column: str, values: Sequence[object] | object) -> None:
    """Give every cell of a publication another value."""
    path = it.lake / "rollups" / metric / f"{metric}.parquet"
    table = pq.read_table(path, partitioning=None)
    index = table.schema.get_field_index(column)
    field = table.schema.field(index)
    many = values if isinstance(values, list) else [values] * table.num_rows
    changed = table.set_column(index, field, pa.array(many, field.type))
    pq.write_table(changed, path, compression="zstd", version="2.6")


def copy_of(sound: Path, folder: Path) -> Copy:
    """A copy of the sound installation, modes and links included; the input is only read."""
    shutil.copytree(sound, folder, symlinks=True, ignore=shutil.ignore_patterns("input"))
    (folder / "input").symlink_to(sound / "input")
    return Copy(folder)
