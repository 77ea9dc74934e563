"""`telemetry hold`: keep days beyond their time, for a named reason and not for ever."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from pipeline.cli.groups import Subcommands
from pipeline.cli.opening import open_state
from pipeline.cli.options import Invocation, configured

if TYPE_CHECKING:
    from pipeline.io.holds import Hold, Holds

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group(cls=Subcommands)
def command() -> None:
    """Add, list or end legal holds. Every expiry names the days that a hold keeps."""


@command.command()
@click.option("--first", type=_DAY, required=True, metavar="D", help="First UTC day to keep.")
@click.option("--last", type=_DAY, metavar="D", help="Last UTC day to keep.  [default: the first]")
@click.option("--owner", required=True, help="Who answers for the hold.")
@click.option("--reason", required=True, help="Which case it is for.")
@click.option(
    "--until", type=_DAY, required=True, metavar="D", help="When it ends, 180 days away at most."
)
@configured
def add(
    call: Invocation,
    first: datetime,
    last: datetime | None,
    owner: str,
    reason: str,
    until: datetime,
) -> None:
    """Keep the partitions of some days until a given day."""
    made = _holds(call).add(
        first.date(), (last or first).date(), owner, reason, until.date(), call.now()
    )
    call.out.result(_row(made), lambda: call.out.line(f"Hold {made.hold} begins now."))


@command.command(name="list")
@configured
def listed(call: Invocation) -> None:
    """List every hold ever made."""
    today = call.now().date()
    rows = [{**_row(hold), "active": hold.active(today)} for hold in _holds(call).all()]

    def text() -> None:
        if not rows:
            call.out.say("There are no holds.")
            return
        call.out.table(list(rows[0]), [list(row.values()) for row in rows])

    call.out.result({"holds": rows}, text)


@command.command()
@click.argument("hold")
@configured
def end(call: Invocation, hold: str) -> None:
    """End a hold before its time; its days expire with the next run."""
    ended = _holds(call).end(hold, call.now())
    call.out.result(_row(ended), lambda: call.out.line(f"Hold {ended.hold} has ended."))


def _holds(call: Invocation) -> Holds:
    from pipeline.io.holds import Holds

    return Holds(open_state(call.settings) / "holds.ndjson")


def _row(hold: Hold) -> dict[str, str | date]:
    return {
        "hold": hold.hold,
        "first": hold.first,
        "last": hold.last,
        "owner": hold.owner,
        "reason": hold.reason,
        "until": hold.until,
    }
