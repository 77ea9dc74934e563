"""`telemetry release`: end the restriction of accounts."""

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
    """End the restriction of accounts: events are taken again, stored rows are back in the views.

    Events that were dropped meanwhile do not come back. With - the ids are read from standard
    input, one a line; they are never printed and not stored.
    """
    from pipeline.io.requests import RequestKind
    from pipeline.io.standings import released

    accounts = read_accounts(ids)
    with open_desk(call) as desk:
        requests = desk.submit(RequestKind.RELEASE, desk.people(accounts), released)
        done = desk.rights.work(call.now(), only=[request.number for request in requests])
    call.out.result(
        {"accounts": len(accounts), **worked_document(done)},
        lambda: call.out.line(
            f"{len(accounts)} accounts released: {done.rows_moved:,} rows are back in the views. "
            f"Receipt {done.receipts[-1]}."
        ),
    )
