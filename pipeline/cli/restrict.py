"""`telemetry restrict` and `telemetry release`: stop processing of accounts, and resume it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pipeline.cli.options import Invocation, configured
from pipeline.cli.optout import read_accounts
from pipeline.cli.rights import open_desk, worked_document


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID... | -")
@configured
def command(call: Invocation, ids: Sequence[str]) -> None:
    """Restrict processing of accounts: new events are dropped, stored rows leave every view.

    The rows are kept aside, expire as all others do, and come back with telemetry release. With -
    the ids are read from standard input, one a line; they are never printed and not stored.
    """
    from pipeline.io.requests import RequestKind
    from pipeline.io.standings import restricted

    accounts = read_accounts(ids)
    with open_desk(call) as desk:
        requests = desk.submit(RequestKind.RESTRICT, desk.people(accounts), restricted)
        done = desk.rights.work(call.now(), only=[request.number for request in requests])
    call.out.result(
        {"accounts": len(accounts), **worked_document(done)},
        lambda: call.out.line(
            f"{len(accounts)} accounts restricted: {done.rows_moved:,} rows are in no view any "
            f"more. Receipt {done.receipts[-1]}."
        ),
    )
