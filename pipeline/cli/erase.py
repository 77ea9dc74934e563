"""`telemetry erase`: show what is stored of accounts, and remove it for good."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pipeline.cli.options import Invocation, configured
from pipeline.cli.optout import read_accounts
from pipeline.cli.rights import open_desk, worked_document


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
    backfill, until no copy from before can be left: 97 days. Rows are removed now and once more
    after eight days; those of an account under a legal hold stay until it ends. With - the ids are
    read from standard input, one a line; they are never printed and not stored.
    """
    from pipeline.io.requests import RequestKind
    from pipeline.io.standings import erased
    from pipeline.ops.erase import Subjects, merged

    accounts = read_accounts(ids)
    with open_desk(call) as desk:
        people = desk.people(accounts)
        if not is_applied:
            tokens = merged(person.subjects for person in people)
            rows = desk.rights.count(Subjects(desk.rights.epochs, tokens))
            _show(call, len(accounts), rows)
            return
        kind = RequestKind.ERASE_UNDER_13 if under_13 else RequestKind.ERASE
        requests = desk.submit(kind, people, erased)
        numbers = [request.number for request in requests]
        done = desk.rights.work(call.now(), only=numbers)
    document = {"accounts": len(accounts), "requests": numbers, **worked_document(done)}
    held = sum(done.held.values())

    def text() -> None:
        if held:
            call.out.line(
                f"{held} accounts are under a legal hold: nothing of them is taken any more, and "
                "their rows are removed by telemetry requests work when it has ended."
            )
        if done.receipts:
            call.out.line(
                f"{len(accounts) - held} accounts erased: {done.rows_removed:,} rows removed and "
                f"read back. Receipt {done.receipts[-1]}; second pass after 8 days by telemetry "
                "requests work."
            )

    call.out.result(document, text)


def _show(call: Invocation, accounts: int, rows: dict[str, int]) -> None:
    total = sum(rows.values())

    def text() -> None:
        call.out.table(["table", "rows"], [[name, count] for name, count in rows.items()])
        call.out.line(f"{total:,} rows of {accounts} accounts. Nothing was changed; add --apply.")

    call.out.result({"accounts": accounts, "rows": rows, "applied": False}, text)
