"""`telemetry rollup --release DIR`: spend a day's privacy budget, draw noise, write two files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.frame.options import Invocation
from pipeline.cli.wiring.lists import open_budget
from pipeline.cli.wiring.opening import epochs_of, open_catalogue, open_lake, open_schemas
from pipeline.errors import PrivacyGateClosed

if TYPE_CHECKING:
    from pipeline.ops.rollup.dp_release import Released

LISTS = {
    "model": "models",
    "region": "regions",
    "plan": "plans",
    "client_family": "clients",
    "os_family": "os_families",
    "device_class": "device_classes",
}
"""The released dimensions, and the closed lists that are their key space."""


def write_release(call: Invocation, folder: Path) -> dict[str, object]:
    """Release every closed day that was never released; PrivacyGateClosed if none is left."""
    from pipeline.cli.wiring.registry import open_registry
    from pipeline.io.disk.atomic import write_file
    from pipeline.ops.rollup import dp_release as dp
    from pipeline.ops.rollup.contributions import load
    from pipeline.ops.rollup.lake_files import look_at
    from pipeline.ops.rollup.windows import DaySpan, is_closed

    now, settings = call.now(), call.settings
    noise = dp.gaussian()
    schemas = {event: versions[-1].stored for event, versions in open_schemas(settings).items()}
    catalogue = open_catalogue(settings)
    keys = dp.key_space({name: catalogue.storable(values) for name, values in LISTS.items()})
    files = look_at(open_lake(settings), schemas, {}, now).files
    closed = sorted({file.day for file in files if is_closed(DaySpan(file.day, file.day), now)})
    ledger = open_budget(settings)
    days = ledger.spend(closed, dp.RHO, dp.RHO, now)
    if not days:
        raise PrivacyGateClosed(
            "the privacy budget of every closed day is spent",
            where=str(folder),
            why="a day is released once; a second draw would average the noise away",
            remedy="Use the earlier release, or wait for the next closed day",
        )
    released: list[dp.Released] = []
    for day in days:
        mine = [file for file in files if file.day == day and file.event == "api_request"]
        with load(open_registry(call), mine, schemas, epochs_of(settings)) as loaded:
            counts = dp.bounded_counts(loaded.memberships("requests", tuple(LISTS)), keys)
        released += dp.release_day(day, counts, keys, noise)
    refused = [day for day in closed if day not in days]
    document = dp.manifest(days, refused, keys)
    name = f"release-{_span(days)}"
    write_file(folder / f"{name}.csv", [_csv(released).encode()])
    write_file(folder / f"{name}.json", [json.dumps(document, indent=2).encode(), b"\n"])
    return {"cells": len(released), "days": len(days), "spent": f"rho {dp.RHO} of each day"}


def _span(days: list[date]) -> str:
    return f"{days[0]}-to-{days[-1]}"


def _csv(released: Sequence[Released]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["day", "dimension", "key", "accounts"])
    for cell in released:
        writer.writerow([cell.day, cell.dimension, cell.key, cell.accounts])
    return text.getvalue()
