"""`telemetry seal`: closed days become few, sorted, deduplicated files; open ones fewer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.fitting import open_fitting_lake
from pipeline.cli.wiring.opening import open_lake, open_schemas, warn_if_empty
from pipeline.cli.wiring.state import opened_places

if TYPE_CHECKING:
    from pipeline.ops.retention.seal import Sealed


@click.command()
@click.option(
    "--date",
    "days",
    type=click.DateTime(["%Y-%m-%d"]),
    multiple=True,
    metavar="YYYY-MM-DD",
    help="Seal this day only; may be given several times.",
)
@configured
def command(call: Invocation, days: tuple[object, ...]) -> None:
    """Sort, deduplicate and compact every closed day that needs it.

    A day is closed two hours after midnight UTC. It gets its final seal, which also drops the
    event tokens, when no regular event of it can arrive any more. A running pipeline is not
    disturbed. Events that came since are sealed on their own while they are few, otherwise with
    their day; a day with plain files is sealed again where files are to be encrypted.

    Of a day that is still open, small files are joined once there are 64 of similar size; all of
    its rows stay. Run the command hourly if a table gets many commits.
    """
    sealed = seal_lake(call, days)
    if not sealed:
        warn_if_empty(call)
    document = {
        "days": [
            {
                "event": done.event,
                "date": done.day,
                "seal": done.kind.value,
                "files_before": done.files_before,
                "files_after": done.files_after,
                "rows": done.rows,
                "duplicates": done.duplicates,
            }
            for done in sealed
        ]
    }

    def text() -> None:
        if not sealed:
            call.out.line("Nothing to seal: every closed day is sealed already.")
            return
        call.out.table(
            ["event", "date", "seal", "files before", "files after", "rows", "duplicates"],
            [list(day.values()) for day in document["days"]],
        )

    call.out.result(document, text)


def seal_lake(call: Invocation, days: tuple[object, ...] = ()) -> list[Sealed]:
    """Seal every table of the lake of the settings."""
    from pipeline.io.disk.locks import locked
    from pipeline.ops.retention.seal import Sealer
    from pipeline.ops.rights.restriction import Restriction

    # Keys are needed where files are encrypted; elsewhere a commit compares those that exist.
    encrypts = call.settings.lake.encryption != "off"
    lake = (open_fitting_lake if encrypts else open_lake)(call.settings, call.now)
    lake.recover()
    sealer = Sealer(
        lateness=timedelta(days=call.settings.privacy.max_age_days),
        spill=opened_places(call.settings).spill,
        sorted_by={
            event: versions[-1].sorted_by for event, versions in open_schemas(call.settings).items()
        },
        encrypt=lake.encryption.kind is not None,
    )
    chosen = [day.date() for day in days if isinstance(day, datetime)] or None
    done: list[Sealed] = []
    for event in lake.stored_events():
        table = lake.stored(event)
        done += sealer.seal(event, table, call.now(), chosen)
        # Commits shorten the log, but a table that nobody writes to would keep old entries.
        table.log.shorten()
    for quiet in (lake.rejections(), *map(lake.restricted, lake.restricted_events())):
        # Nor is anything written to these as long as nothing is refused and nobody makes a request.
        quiet.log.shorten()
    if sealer.encrypt:
        with locked(opened_places(call.settings).rights_lock):
            for event in lake.restricted_events():
                Restriction(lake.stored(event), lake.restricted(event)).encrypt()
    return done
