"""Published figures that are not what the stored rows, the gate and the perturbation give."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.io.lake.lake import Lake
from pipeline.io.package_data import load_catalogue
from tests.integration.breaches.planting import Copy, breach, rewrite

CHANGED = date(2026, 11, 23)
"""The day of which an account was erased after it was published."""
FEWER, OTHERS = "cells of fewer accounts than published", "figures that rows and key do not give"
Row = dict[str, Any]


def change_cells(it: Copy, metric: str, change: Callable[[list[Row]], list[Row]]) -> None:
    """Change the cells of a publication as rows; its file stays as ours are."""
    path = it.lake / "rollups" / metric / f"{metric}.parquet"
    table = pq.read_table(path, partitioning=None)
    rows = change(table.to_pylist())
    pq.write_table(
        pa.Table.from_pylist(rows, schema=table.schema), path, compression="zstd", version="2.6"
    )


def change_cell(it: Copy, metric: str, change: Callable[[Row], object], **where: object) -> None:
    """Change the first cell that is so, of rows that have not changed since."""

    def changed(rows: list[Row]) -> list[Row]:
        cell = next(
            row
            for row in rows
            if (where or row["first_day"] != CHANGED)
            and all(row[name] == value for name, value in where.items())
        )
        change(cell)
        return rows

    change_cells(it, metric, changed)


def more(column: str, by: float) -> Callable[[Row], object]:
    """Add to one column."""
    return lambda cell: cell.update({column: cell[column] + by})


@breach("P04", "figures_recomputed", "requests.parquet", FEWER)
def a_cell_recomputed_smaller_than_published(it: Copy) -> None:
    change_cell(it, "requests", more("accounts", 20))


@breach("P04", "figures_recomputed", "active_day.parquet", OTHERS)
def a_count_of_accounts_changed_by_one(it: Copy) -> None:
    change_cell(it, "active_day", more("value", 1))


@breach("P04", "figures_recomputed", "requests.parquet", OTHERS)
def a_count_of_events_changed_by_one(it: Copy) -> None:
    change_cell(it, "requests", more("value", -1))


@breach("P04", "figures_recomputed", "latency.parquet", OTHERS)
def another_percentile(it: Copy) -> None:
    change_cell(it, "latency", more("p50", 1))


@breach("P04", "figures_recomputed", "latency.parquet", OTHERS)
def a_percentile_of_too_few_events(it: Copy) -> None:
    change_cell(it, "latency", lambda cell: cell.update(p99=1000.0))


@breach("P04", "figures_recomputed", "availability.parquet", OTHERS)
def a_numerator_beside_a_limit(it: Copy) -> None:
    change_cell(it, "availability", lambda cell: cell.update(numerator=cell["denominator"] - 1))


@breach("P04", "figures_recomputed", "requests.parquet", OTHERS)
def a_smaller_error_than_the_noise_has(it: Copy) -> None:
    change_cell(it, "requests", lambda cell: cell.update(error=0.0))


@breach("P04", "figures_recomputed", "requests.parquet", OTHERS)
def counts_without_their_noise(it: Copy) -> None:
    """Exact counts of the rows, for every day on which nothing changed."""
    exact: dict[date, int] = {}
    for part in it.parts():
        day = date.fromisoformat(part.parent.name.partition("=")[2])
        exact[day] = exact.get(day, 0) + pq.ParquetFile(part).metadata.num_rows

    def change(rows: list[Row]) -> list[Row]:
        for row in rows:
            if row["grain"] == "day" and row["first_day"] != CHANGED:
                row["value"] = float(exact[row["first_day"]])
        return rows

    change_cells(it, "requests", change)


@breach("P04", "figures_recomputed", "requests.parquet", OTHERS)
def the_noise_of_another_cell(it: Copy) -> None:
    def change(rows: list[Row]) -> list[Row]:
        one, other = [row for row in rows if row["cut"] == "model"][:2]
        one["value"], other["value"] = other["value"], one["value"]
        return rows

    change_cells(it, "requests", change)


@breach("P04", "figures_recomputed", "requests.parquet", "cells that their rows do not give")
def a_cell_that_the_gate_had_hidden(it: Copy) -> None:
    def change(rows: list[Row]) -> list[Row]:
        cell = next(row for row in rows if row["cut"] == "route")
        shown = {row["key1"] for row in rows if row["first_day"] == cell["first_day"]}
        hidden = min({route.template for route in load_catalogue().routes} - shown)
        return [*rows, {**cell, "key1": hidden, "value": 7.0}]

    change_cells(it, "requests", change)


@breach("P04", "figures_recomputed", "requests.parquet", "cells are missing")
def a_cell_that_was_left_out(it: Copy) -> None:
    def change(rows: list[Row]) -> list[Row]:
        gone = next(row for row in rows if row["cut"] == "model")
        return [row for row in rows if row is not gone]

    change_cells(it, "requests", change)


@breach("P04", "figures_recomputed", "requests.parquet", "do not say what they were made of")
def figures_that_do_not_say_what_they_were_made_of(it: Copy) -> None:
    change_cell(it, "requests", lambda cell: cell.update(made_of=None))


@breach("P04", "figures_recomputed", "requests.parquet", "do not say what they were made of")
def a_rule_below_the_floor(it: Copy) -> None:
    change_cell(it, "requests", lambda cell: cell.update(made_of="5" + cell["made_of"][2:]))


@breach("P04", "figures_recomputed", "active_day.parquet", FEWER)
def a_cell_grown_by_more_than_was_erased(it: Copy) -> None:
    """The day of an erasure may differ by the one account that was erased, and by no more.

    By more than the perturbation can give, whatever it gave before.
    """
    change_cell(it, "active_day", more("value", 40), first_day=CHANGED, cut="")


@breach("P04", "figures_recomputed", FEWER)
def rows_of_accounts_taken_out_of_a_file(it: Copy) -> None:
    """No commit says so, and every count of the day is too large by then."""
    part = next(one for one in it.parts("events/session") if "2026-11-18" in str(one))
    rewrite(part, lambda table: table.slice(table.num_rows - 3))


@breach("P04", "figures_recomputed", "suppressed.parquet", "a share of hidden events")
def a_share_of_hidden_events_that_is_smaller(it: Copy) -> None:
    def change(rows: list[Row]) -> list[Row]:
        for row in rows:
            row["value"] = 0.5 if row["value"] == 0.0 else 0.0
        return rows

    change_cells(it, "suppressed", change)


@breach("P04", "figures_recomputed", "rejected.parquet", "counts of messages that the log")
def an_exact_count_of_rejected_messages(it: Copy) -> None:
    change_cells(
        it, "rejected", lambda rows: [{**row, "value": 7.0, "under": None} for row in rows]
    )


COUNTS = "counts and times that files and commits do not give"


def said_now(**changed: object) -> Callable[[list[Row]], list[Row]]:
    """Change every row, as if it were published after the files were written.

    Files have the time of the machine, whatever the day that the installation believes to be in.
    """
    at = datetime.now(UTC) + timedelta(hours=1)
    return lambda rows: [{**row, **changed, "published_at": at} for row in rows]


@breach("P04", "figures_recomputed", "duplicate.parquet", COUNTS)
def other_counts_of_repeated_events(it: Copy) -> None:
    change_cells(it, "duplicate", said_now(value=None, under=500.0))


@breach("P04", "figures_recomputed", "late.parquet", COUNTS)
def other_counts_of_late_events(it: Copy) -> None:
    path = it.lake / "rollups" / "duplicate" / "duplicate.parquet"
    table = pq.read_table(path, partitioning=None)
    rows = said_now(value=None, under=500.0)(table.to_pylist())
    Lake(str(it.lake)).rollups().write("late", pa.Table.from_pylist(rows, table.schema), {})


@breach("P04", "figures_recomputed", "freshness.parquet", COUNTS)
def a_lake_that_looks_fresher_than_it_is(it: Copy) -> None:
    change_cells(it, "freshness", lambda rows: [{**row, "value": 0.01} for row in rows])


@breach("P04", "figures_recomputed", "expiry_proof.parquet", COUNTS)
def an_oldest_day_that_is_younger_than_it_is(it: Copy) -> None:
    change_cells(it, "expiry_proof", said_now(value=1.0))


@breach("P04", "publications_closed", "requests.parquet", "origins that are none")
def an_email_for_an_origin(it: Copy) -> None:
    change_cell(it, "requests", lambda cell: cell.update(made_of="alice.smith@example.com"))
