"""`telemetry geoip`: which country database is used, and importing another."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.frame.groups import Subcommands
from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.opening import country_path, open_country
from pipeline.cli.wiring.state import open_state


@click.group(cls=Subcommands)
def command() -> None:
    """Import a country database, or show the one in use.

    The packaged demo database knows the two demo ranges only. DB-IP Lite Country and GeoLite2
    Country are good choices; their credit line then appears wherever countries are shown.
    """


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@configured
def import_file(call: Invocation, file: Path) -> None:
    """Check the country database FILE (MMDB) and keep a copy in the state folder."""
    from pipeline.io.geo import import_database

    info = import_database(file, open_state(call.settings), call.now())
    document = {"type": info.type, "built_on": info.built_on, "credit": info.credit}
    call.out.result(
        document, lambda: call.out.say(f"Imported {info.type}, built on {info.built_on}.")
    )


@command.command()
@configured
def status(call: Invocation) -> None:
    """Show the country database in use, its age and its credit line."""
    path = country_path(call.settings)
    database = open_country(call.settings)
    info = database.info
    database.close()
    document = {
        "type": info.type,
        "file": None if path is None else str(path),
        "built_on": info.built_on,
        "age_days": info.age_days(call.now().date()),
        "demo": info.demo,
        "credit": info.credit,
    }

    def text() -> None:
        call.out.table(
            ["type", "built on", "age in days", "file", "credit"],
            [
                [
                    info.type,
                    info.built_on,
                    info.age_days(call.now().date()),
                    "packaged" if path is None else str(path),
                    info.credit,
                ]
            ],
        )
        if info.demo:
            call.out.warn("the demo database knows no real address; see telemetry geoip import")

    call.out.result(document, text)
