"""`telemetry seal`: closed days become few, sorted, deduplicated files."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from pipeline.cli.opening import open_lake, open_state
from pipeline.cli.options import Invocation, configured

if TYPE_CHECKING:
    from pipeline.ops.seal import Sealed


@click.command()
@click.option(
    "--date",
    "days",
    type=click.DateTime(["%Y-%m-%d"]),
    multiple=True,
    metavar="D",
    help="Seal this day only; may be given several times.",
)
@configured
def command(call: Invocation, days: tuple[object, ...]) -> None:
    """Sort, deduplicate and compact every closed day that needs it.

    A day is closed two hours after midnight UTC. It gets its final seal, which also drops the
    event tokens, when no regular event of it can arrive any more. A running pipeline is not
    disturbed; a day that got more events since is sealed again, and so is one with plain files
    where files are to be encrypted.
    """
    sealed = seal_lake(call, days)
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
    from pipeline.io.locks import locked
    from pipeline.ops.restrict import Restriction
    from pipeline.ops.seal import Sealer

    lake = open_lake(call.settings, call.now)
    lake.recover()
    sealer = Sealer(
        lateness=timedelta(days=call.settings.privacy.max_age_days),
        spill=open_state(call.settings) / "spill",
        encrypt=lake.encryption.kind is not None,
    )
    chosen = [day.date() for day in days if isinstance(day, datetime)] or None
    done: list[Sealed] = []
    for event in lake.stored_events():
        done += sealer.seal(event, lake.stored(event), call.now(), chosen)
    if sealer.encrypt:
        with locked(open_state(call.settings) / ".rights.lock"):
            for event in lake.restricted_events():
                Restriction(lake.stored(event), lake.restricted(event)).encrypt()
    return done
