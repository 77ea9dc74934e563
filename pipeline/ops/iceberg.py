"""Which files of the lake go into Iceberg tables: sealed ones, of days that readers may see.

Sealed files are few, and stay until a seal, an erasure or an expiry replaces them; each of these
deletes what it replaces, so that a table that is not yet synchronized fails when it is read, and
shows nobody a row that is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pipeline.errors import EnvironmentProblem
from pipeline.io.iceberg.catalog import IcebergCatalog, Registered
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.snapshot import PartFile
from pipeline.io.parquet.encoding import PartKind
from pipeline.ops.views import visible


def registrable(event: str, files: Sequence[PartFile], today: date) -> tuple[PartFile, ...]:
    """Return the files that a table of the event names.

    Raises EnvironmentProblem if one is encrypted: an Iceberg reader does not have our keys.
    """
    found = [file for file in visible(files, today) if file.kind is not PartKind.STREAM]
    if any(file.label is not None for file in found):
        raise EnvironmentProblem(
            "Encrypted files cannot be tables of Iceberg",
            where=f"event {event}",
            why="readers of Iceberg cannot be given the keys of this installation",
            remedy="Read the lake with `telemetry sql` or pyarrow, or set `lake.encryption` to "
            "off and seal again.",
        )
    return tuple(found)


def synchronize(lake: Lake, catalog: IcebergCatalog, today: date) -> list[Registered]:
    """Make the catalog's tables name what the lake's logs name today; drop those of no event.

    Nothing is changed if a file is encrypted. Raises EnvironmentProblem or LakeError.
    """
    found = {event: lake.stored(event) for event in lake.stored_events()}
    wanted = {
        event: registrable(event, table.snapshot().files, today) for event, table in found.items()
    }
    for event in catalog.events():
        if event not in wanted:
            catalog.drop(event)
    return [
        catalog.register(event, found[event].log.schema, files) for event, files in wanted.items()
    ]
