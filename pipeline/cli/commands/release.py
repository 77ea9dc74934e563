"""`telemetry release`: end the restriction of accounts."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pipeline.cli.frame.accounts import read_accounts
from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.rights import open_desk, unknown_note, worked_document
from pipeline.errors import counted


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID... | -")
@configured
def command(call: Invocation, ids: Sequence[str]) -> None:
    """End the restriction of accounts: events are taken again, stored rows are back in the views.

    Events that were dropped meanwhile do not come back. With - the ids are read from standard
    input, one a line; they are never printed and not stored.
    """
    from pipeline.io.rights.request_queue import RequestKind
    from pipeline.io.standings.entries import released

    accounts = read_accounts(ids)
    with open_desk(call) as desk:
        people = desk.people(accounts)
        unknown = desk.rights.unknown(people)
        _, done = desk.carry_out(RequestKind.RELEASE, people, released)

    def text() -> None:
        call.out.line(
            f"{counted(len(accounts), 'account')} released, {counted(done.rows_moved, 'row')} "
            "back in the views"
            f". Receipt {done.receipts[-1]}."
        )
        if not done.rows_moved and unknown < len(accounts):
            call.out.line("No rows of them were set aside.")
        if unknown:
            call.out.line(unknown_note(unknown, len(accounts)))

    counts = {"accounts": len(accounts), "unknown": unknown}
    call.out.result({**counts, **worked_document(done)}, text)
