"""Run the output scanner over every row of a lake's snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.events.catalogue import Catalogue
from pipeline.events.schema import EventSchema
from pipeline.io.lake import Lake
from pipeline.ops.scan import NOTHING, Ceilings, Scanned, scan_rejections, scan_rows


def scan_lake(
    lake: Lake,
    schemas: Mapping[str, tuple[EventSchema, ...]],
    catalogue: Catalogue,
    ceilings: Ceilings,
    topics: Sequence[str] = (),
) -> Scanned:
    """Scan the files that the logs name, one at a time: events by their newest schema, rejections.

    `topics` are the Kafka topics that rejections may name. Files are read as they are, so a
    column that no schema declares is found too.
    """
    total = NOTHING
    for event, versions in sorted(schemas.items()):
        table = lake.events(event, versions[-1].stored)
        for file in table.snapshot().files:
            rows = table.storage.read(file.path)
            total += scan_rows(event, rows, versions[-1].columns, catalogue, ceilings)
    rejections = lake.rejections()
    for file in rejections.snapshot().files:
        total += scan_rejections(rejections.storage.read(file.path), sorted(schemas), topics)
    return total
