"""`telemetry erase`: show what is stored about accounts, and remove it permanently."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pipeline.cli.frame.accounts import read_accounts
from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.rights import open_desk, unknown_note, worked_document
from pipeline.errors import counted


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID... | -")
@click.option("--under-13", is_flag=True, help="Accounts of children: first in line, 72 h at most.")
@click.option(
    "--apply", "is_applied", is_flag=True, help="Erase; without it only rows are counted."
)
@configured
def command(call: Invocation, ids: Sequence[str], under_13: bool, is_applied: bool) -> None:
    """Count the stored rows of accounts, or erase them with --apply. So is a closed account.

    Nothing of an erased account is taken any more, whether it comes late, or by replay or
    backfill, until no copy from before can be left: 97 days. Rows are removed now and again
    after eight days; those of an account under a legal hold stay until it ends. With - the ids are
    read from standard input, one a line; they are never printed and not stored.
    """
    from pipeline.io.rights.request_queue import RequestKind
    from pipeline.io.standings.entries import erased
    from pipeline.ops.rights.erasure import Subjects, merged

    accounts = read_accounts(ids)
    with open_desk(call) as desk:
        people = desk.people(accounts)
        unknown = desk.rights.unknown(people)
        if not is_applied:
            tokens = merged(person.subjects for person in people)
            rows = desk.rights.count(Subjects(desk.rights.epochs, tokens))
            _show(call, len(accounts), rows, unknown)
            return
        kind = RequestKind.ERASE_UNDER_13 if under_13 else RequestKind.ERASE
        numbers, done = desk.carry_out(kind, people, erased)
    counts = {"accounts": len(accounts), "unknown": unknown, "requests": numbers}
    document = {**counts, **worked_document(done)}
    held = sum(done.held.values())

    def text() -> None:
        if held:
            call.out.line(
                f"Under a legal hold: {counted(held, 'account')}. Nothing of them is taken any "
                "more; telemetry requests work removes their rows when it has ended."
            )
        if done.receipts:
            call.out.line(
                f"{counted(len(accounts) - held, 'account')} erased: "
                f"{counted(done.rows_removed, 'row')} removed and "
                f"read back. Receipt {done.receipts[-1]}; second pass after 8 days by telemetry "
                "requests work."
            )
        if unknown:
            call.out.line(unknown_note(unknown, len(accounts)))

    call.out.result(document, text)


def _show(call: Invocation, accounts: int, rows: dict[str, int], unknown: int) -> None:
    total = sum(rows.values())

    def text() -> None:
        call.out.table(["table", "rows"], [[name, count] for name, count in rows.items()])
        call.out.line(
            f"{counted(total, 'row')} of {counted(accounts, 'account')}. "
            "Nothing was changed; add --apply."
        )
        if unknown:
            call.out.line(unknown_note(unknown, accounts))

    found = {"accounts": accounts, "unknown": unknown, "rows": rows, "applied": False}
    call.out.result(found, text)
