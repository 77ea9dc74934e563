"""`telemetry restrict` and `telemetry release`: stop processing of accounts, and resume it."""

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
    """Restrict processing of accounts: new events are dropped, stored rows leave every view.

    The rows are kept aside, expire as all others do, and come back with telemetry release. With -
    the ids are read from standard input, one a line; they are never printed and not stored.
    """
    from pipeline.io.rights.request_queue import RequestKind
    from pipeline.io.standings.entries import restricted

    accounts = read_accounts(ids)
    with open_desk(call) as desk:
        people = desk.people(accounts)
        unknown = desk.rights.unknown(people)
        _, done = desk.carry_out(RequestKind.RESTRICT, people, restricted)

    def text() -> None:
        call.out.line(
            f"{counted(len(accounts), 'account')} restricted, {counted(done.rows_moved, 'row')} "
            "taken out of every view"
            f". Receipt {done.receipts[-1]}."
        )
        if unknown:
            call.out.line(unknown_note(unknown, len(accounts)))

    counts = {"accounts": len(accounts), "unknown": unknown}
    call.out.result({**counts, **worked_document(done)}, text)
