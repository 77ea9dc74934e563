"""Give one account everything that is stored about it: access and portability.

For each event, JSON Lines and CSV with the same rows, oldest day first, from every live key epoch,
restricted rows included; `standing.json` with what the account has asked for; `README.md` with
what every field means. Cells that a spreadsheet would take for a formula are written as text.

Nobody else's rows can be among them: rows are selected by the account's tokens, and checked again
before they are written.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa

from pipeline.errors import LakeError
from pipeline.events.schema import SUBJECT, EventSchema
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.table import StoredTable
from pipeline.io.rights.export_folder import ExportFolder, export_folder
from pipeline.io.standings.entries import to_text
from pipeline.ops.rewrite import undisturbed
from pipeline.ops.rights.erasure import Subjects, marked_groups, marks_of
from pipeline.privacy.optout import Standing

RESTRICTED = "restricted"
"""A field that only exports have: whether a row is set aside."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True)
class Exported:
    """Rows by event."""

    rows: Mapping[str, int]

    @property
    def total(self) -> int:
        """Rows of all events."""
        return sum(self.rows.values())


def export_account(
    lake: Lake,
    schemas: Mapping[str, tuple[EventSchema, ...]],
    subjects: Subjects,
    standing: Standing,
    now: datetime,
    out: Path,
) -> Exported:
    """Write everything stored under one account's tokens to the new folder `out`.

    Raises UsageError if `out` exists, EnvironmentProblem or LakeError; then nothing is left there.
    """
    rows: dict[str, int] = {}
    kept_aside = lake.restricted_events()
    with export_folder(out) as folder:
        for event in lake.stored_events():
            tables: list[tuple[StoredTable, bool]] = [(lake.stored(event), False)]
            if event in kept_aside:
                tables.append((lake.restricted(event), True))
            rows[event] = _write_event(folder, event, tables, subjects)
        with folder.open("standing.json") as file:
            json.dump(_standing(standing), file, indent=1)
            file.write("\n")
        with folder.open("README.md") as file:
            file.write(_readme(rows, schemas, now))
    return Exported(rows)


def _write_event(
    folder: ExportFolder,
    event: str,
    tables: Sequence[tuple[StoredTable, bool]],
    subjects: Subjects,
) -> int:
    columns = [*tables[0][0].log.schema.names, RESTRICTED]
    # Read before anything is written: if another job replaces a file, all is read again.
    parts = undisturbed(lambda: list(_rows(tables, subjects)))
    count = 0
    with ExitStack() as files:
        lines = files.enter_context(folder.open(f"{event}.jsonl"))
        sheet = csv.writer(files.enter_context(folder.open(f"{event}.csv")), lineterminator="\r\n")
        sheet.writerow(columns)
        for part in parts:
            for row in part.rows.to_pylist():
                said = {**row, "event_date": part.day, RESTRICTED: part.aside}
                ordered = {name: said.get(name) for name in columns}
                lines.write(json.dumps(ordered, default=str, ensure_ascii=False) + "\n")
                sheet.writerow([cell(value) for value in ordered.values()])
            count += part.rows.num_rows
    return count


@dataclass(frozen=True, slots=True)
class _Part:
    """The account's rows of one row group, compact: codes into dictionaries."""

    day: date
    aside: bool
    rows: pa.Table


def _rows(tables: Sequence[tuple[StoredTable, bool]], subjects: Subjects) -> Iterator[_Part]:
    found = [(file, table, aside) for table, aside in tables for file in table.snapshot().files]
    for file, table, aside in sorted(found, key=lambda part: (part[0].day, part[0].path)):
        tokens = subjects.of(file.day)
        if not len(tokens):
            continue
        mine = set(tokens.to_pylist())
        with table.storage.open_part(file.path) as source:
            for rows in marked_groups(source, marks_of(source, tokens)):
                if not mine.issuperset(rows[SUBJECT].unique().to_pylist()):
                    raise _foreign(table, file.day)
                yield _Part(file.day, aside, rows)


def _foreign(table: StoredTable, day: date) -> LakeError:
    return LakeError(
        "A row of another account would have been exported",
        where=f"{table.log.uri}, {day}",
        remedy="Nothing was exported. Check the files of that day for damage.",
    )


def cell(value: object) -> object:
    """Return a value as a spreadsheet gets it: nothing that it would calculate.

    >>> cell("=1+1"), cell(-1), cell(["a", "b"]), cell(None)
    ("'=1+1", -1, 'a; b', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return value
    text = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _standing(standing: Standing) -> dict[str, object]:
    def text(micros: int | None) -> str | None:
        return None if micros is None else to_text(micros)

    return {
        "opted_out": [
            {"from": text(start), "to": text(stop)} for start, stop in standing.intervals
        ],
        "restricted_since": text(standing.restricted),
        "erased": text(standing.erased_at),
    }


def _readme(
    rows: Mapping[str, int], schemas: Mapping[str, tuple[EventSchema, ...]], now: datetime
) -> str:
    lines = [
        "# Usage data of one account",
        "",
        f"Everything that was stored of it on {now:%Y-%m-%d at %H:%M} UTC. Times are UTC. Events "
        "are kept for 90 days. `subject`, `session` and `event_token` are codes that stand for "
        "the account, its sessions and events; another code every 28 days. `.jsonl` (JSON Lines) "
        "and `.csv` have the same rows; in CSV a text that begins like a formula has a `'` before "
        "it. `standing.json` says what the account asked for.",
        "",
        "| event | rows |",
        "| --- | ---: |",
        *(f"| `{event}` | {count} |" for event, count in sorted(rows.items())),
    ]
    for event in sorted(rows):
        lines += ["", f"## `{event}`", "", "| field | type | unit | meaning |"]
        lines += ["| --- | --- | --- | --- |"]
        for column in schemas[event][-1].columns if event in schemas else ():
            lines.append(
                f"| `{column.name}` | {_type(column.type)} | {column.unit or ''} "
                f"| {column.comment} |"
            )
        lines.append(
            f"| `{RESTRICTED}` | boolean | | whether processing of the row is restricted |"
        )
    return "\n".join(lines) + "\n"


def _type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return "list of texts"
    if pa.types.is_date(kind):
        return "date"
    if pa.types.is_integer(kind):
        return "whole number"
    return "number" if pa.types.is_floating(kind) else "text"
