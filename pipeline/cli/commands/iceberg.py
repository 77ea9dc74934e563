"""`telemetry iceberg`: the sealed files as tables of Apache Iceberg."""

from __future__ import annotations

import click

from pipeline.cli.frame.groups import Subcommands
from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.opening import open_lake, warn_if_empty
from pipeline.errors import SettingsError, UsageError


@click.group(cls=Subcommands)
def command() -> None:
    """Offer the sealed days to readers of Apache Iceberg."""


@command.command()
@configured
def sync(call: Invocation) -> None:
    """Make the tables of Iceberg name the sealed files that the lake has now.

    Metadata only: no data is copied. Run it after every seal, expire and erase; files that these
    deleted leave the tables, and no old snapshot is kept.
    """
    from pipeline.io.disk.locks import locked_folder
    from pipeline.io.iceberg.catalog import IcebergCatalog
    from pipeline.ops.iceberg import synchronize

    folder = call.settings.iceberg.folder
    if folder is None:
        raise SettingsError(
            "no folder of Iceberg's catalog is set",
            where="iceberg.folder",
            remedy='Write [iceberg] folder = "iceberg" in telemetry.toml, or set '
            "TELEMETRY_ICEBERG_FOLDER",
        )
    lake = open_lake(call.settings, call.now)
    if not lake.local:
        raise UsageError(
            "Tables of Iceberg are made of lakes in a folder only",
            where=lake.root,
            remedy="Readers of object stores open the lake as the Delta tables that it is.",
        )
    catalog = IcebergCatalog(folder)
    try:
        with locked_folder(folder):
            done = synchronize(lake, catalog, call.now().date())
    finally:
        catalog.close()
    if not done:
        warn_if_empty(call)
    document = {"folder": str(folder), "tables": [one._asdict() for one in done]}

    def text() -> None:
        call.out.table(["event", "files", "rows", "added", "removed"], [list(one) for one in done])

    call.out.result(document, text)
