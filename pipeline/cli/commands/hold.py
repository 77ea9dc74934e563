"""`telemetry hold`: keep days or the rows of accounts, for a named reason and a limited time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from pipeline.cli.frame.accounts import read_accounts
from pipeline.cli.frame.groups import Subcommands
from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.lists import open_holds
from pipeline.cli.wiring.opening import open_keystore
from pipeline.cli.wiring.rights import look_for, looked_document, unknown_note
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.io.rights.holds import Hold

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group(cls=Subcommands)
def command() -> None:
    """Add, list or end legal holds, of days or of accounts. Every expiry lists them."""


@command.command()
@click.option("--first", type=_DAY, metavar="YYYY-MM-DD", help="First UTC day to keep.")
@click.option(
    "--last", type=_DAY, metavar="YYYY-MM-DD", help="Last UTC day to keep.  [default: the first]"
)
@click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="ID|-",
    help="Account whose rows to keep from being removed on request; - for standard input.",
)
@click.option("--owner", required=True, help="Who answers for the hold.")
@click.option("--reason", required=True, help="Which case it is for.")
@click.option(
    "--until",
    type=_DAY,
    required=True,
    metavar="YYYY-MM-DD",
    help="When it ends, 180 days away at most.",
)
@configured
def add(
    call: Invocation,
    first: datetime | None,
    last: datetime | None,
    accounts: tuple[str, ...],
    owner: str,
    reason: str,
    until: datetime,
) -> None:
    """Keep the partitions of some days, or the rows of accounts, until a given day.

    Held days do not expire. Rows of a held account are not removed by an erasure or after an
    opt-out, which wait, but expire with their day as all others. Only a token of the id is stored.
    """
    if (first is None) == (not accounts) or (last and not first):
        raise UsageError(
            "A hold is either of days or of accounts",
            remedy="Give --first and perhaps --last, or --account; make two holds for both.",
        )
    looked, count = None, 0
    if first is not None:
        days = (first.date(), (last or first).date())
        made = open_holds(call.settings).add(*days, owner, reason, until.date(), call.now())
    else:
        ids = read_accounts(accounts)
        tokens = _tokens(call, ids)
        made = open_holds(call.settings).add_accounts(
            tokens, owner, reason, until.date(), call.now()
        )
        looked, count = look_for(call, ids), len(ids)
    document = {**_row(made), **(looked_document(looked) if count else {})}

    def text() -> None:
        call.out.line(f"Hold {made.hold} begins now.")
        if looked is not None and looked.unknown:
            call.out.line(unknown_note(looked.unknown, count, looked.where))

    call.out.result(document, text)


@command.command(name="list")
@configured
def listed(call: Invocation) -> None:
    """List every hold ever made."""
    today = call.now().date()
    rows = [
        {**_row(hold), "active": hold.active(today)} for hold in open_holds(call.settings).all()
    ]

    def text() -> None:
        if not rows:
            call.out.say("There are no holds.")
            return
        call.out.table(
            list(rows[0]), [["" if one is None else one for one in row.values()] for row in rows]
        )

    call.out.result({"holds": rows}, text)


@command.command()
@click.argument("hold")
@configured
def end(call: Invocation, hold: str) -> None:
    """End a hold before its time; the next runs expire its days and carry out what waited."""
    ended = open_holds(call.settings).end(hold, call.now())
    call.out.result(_row(ended), lambda: call.out.line(f"Hold {ended.hold} has ended."))


def _tokens(call: Invocation, ids: Sequence[str]) -> list[str]:
    """Return the tokens under which requests know these accounts."""
    from pipeline.privacy.identity.tokens import Domain, TokenKey

    key = open_keystore(call.settings, call.now).permanent_key("optout")
    tokens = TokenKey(key).tokens(Domain.OPTOUT, ids)
    return [token.hex() for token in tokens]


def _row(hold: Hold) -> dict[str, str | int | date | None]:
    return {
        "hold": hold.hold,
        "first": hold.first,
        "last": hold.last,
        "accounts": len(hold.accounts),
        "owner": hold.owner,
        "reason": hold.reason,
        "until": hold.until,
    }
