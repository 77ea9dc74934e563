"""`telemetry sql`: DuckDB over the lake's snapshot, views of the events and the rejections."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.frame.nearest import Closed
from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.opening import open_lake, open_schemas, require_lake
from pipeline.errors import UsageError

if TYPE_CHECKING:
    import duckdb

FORMATS = ("table", "json", "csv")


@click.command()
@click.argument("query")
@click.option("--format", "shape", type=Closed(FORMATS), help="How to print the rows.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    default=1000,
    show_default=True,
    help="Most rows of a table; json and csv have all.",
)
@configured
def command(call: Invocation, query: str, shape: str | None, limit: int) -> None:
    """Run QUERY, or the text on standard input for -, on the lake as it is now.

    There is one view for each event (api_request, session, feature_use, error_log), and one of
    rejections. Nothing can be written, and no file but the lake's own can be read.

    \b
        telemetry sql "SELECT route, count(*) FROM api_request GROUP BY ALL ORDER BY 2 DESC"
    """
    if call.out.json and shape not in (None, "json"):
        raise UsageError("--json and --format exclude each other", remedy="Give one of them")
    text = sys.stdin.read() if query == "-" else query
    columns, rows = answer(call, text)
    if call.out.json or shape == "json":
        call.out.document(as_objects(columns, rows))
    elif shape == "csv":
        for line in _csv_lines(columns, rows):
            call.out.line(line)
    else:
        call.out.table(columns, [[_cell(value) for value in row] for row in rows[:limit]])
        if len(rows) > limit:
            call.out.say(f"{len(rows) - limit:,} more rows; see --limit and --format csv")


def answer(call: Invocation, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run a query on the newest snapshot of the lake, and return its columns and rows."""
    from pipeline.ops.rewrite import on_snapshot
    from pipeline.ops.views import View, files_of, lake_views, open_views

    lake = open_lake(call.settings, repairs=False)
    require_lake(lake)
    schemas, today = open_schemas(call.settings), call.now().date()

    def run(views: list[View]) -> tuple[list[str], list[tuple[Any, ...]]]:
        with open_views(views) as database:
            return run_query(database, query)

    return on_snapshot(lambda: lake_views(lake, schemas, today), files_of, run)


def run_query(
    database: duckdb.DuckDBPyConnection, query: str
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run a query, and return its columns and rows. Raises UsageError if it cannot be run."""
    from pipeline.ops.views import reading

    with reading(database, query):
        result = database.execute(query)
        columns = [str(column[0]) for column in result.description or ()]
        return columns, result.fetchall()


def as_objects(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Rows as JSON objects; numbers that JSON does not know (NaN, infinite) become null."""
    return [
        {name: _number(value) for name, value in zip(columns, row, strict=True)} for row in rows
    ]


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: Any) -> Any:
    value = float(value) if isinstance(value, Decimal) else value
    if isinstance(value, str | int | float | bool | type(None)):
        return value
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _csv_lines(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Iterator[str]:
    for row in (columns, *rows):
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow("" if cell is None else cell for cell in row)
        yield line.getvalue()
