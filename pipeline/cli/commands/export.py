"""`telemetry export`: export everything that is stored about one account."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.frame.accounts import read_accounts
from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.rights import open_desk, unknown_note
from pipeline.errors import UsageError, counted


@click.command()
@click.argument("account", metavar="ID | -")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="New folder for the files."
)
@configured
def command(call: Invocation, account: str, out: Path) -> None:
    """Write everything that is stored of one account to a new folder that only you can read.

    JSON Lines and CSV for each event, what the account asked for, and a README of the fields.
    With - the id is read from standard input; it is never printed and not written.
    """
    from pipeline.io.rights.export_folder import check_target
    from pipeline.io.rights.request_queue import RequestKind

    accounts = read_accounts([account])
    if len(accounts) != 1:
        raise UsageError(
            "an export is of one account", remedy="Export accounts one by one, each to a folder"
        )
    check_target(out)
    with open_desk(call) as desk:
        (request,) = desk.submit(RequestKind.EXPORT, desk.people(accounts), None)
        done = desk.rights.hand_out(request, out, call.now())

    def text() -> None:
        call.out.line(
            f"{counted(done.rows_exported, 'row')} in {out}. Receipt {done.receipts[-1]}."
        )
        if not done.rows_exported:
            call.out.line(unknown_note(1, 1))

    unknown = 0 if done.rows_exported else 1
    found = {
        "rows": done.rows_exported,
        "unknown": unknown,
        "folder": str(out),
        "receipt": done.receipts[-1],
    }
    call.out.result(found, text)
