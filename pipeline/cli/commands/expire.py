"""`telemetry expire`: show what is too old; delete exactly what was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.frame.nearest import Closed
from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.fitting import open_fitting_lake
from pipeline.cli.wiring.lists import open_holds, open_receipts
from pipeline.cli.wiring.opening import open_keystore, warn_if_empty
from pipeline.cli.wiring.state import open_state
from pipeline.errors import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.io.rights.holds import Hold
    from pipeline.io.rights.receipts import Receipt
    from pipeline.ops.retention.expiry import Expiry, ExpiryProposal

GUARDS = ("partitions", "rows")


@click.command()
@click.option(
    "--apply", "digest", metavar="HASH", help="Delete what the plan with this hash lists."
)
@click.option(
    "--acknowledge",
    type=Closed(GUARDS),
    multiple=True,
    help="Continue although more than 3 days, or more than 5 % of all rows, would be deleted.",
)
@configured
def command(call: Invocation, digest: str | None, acknowledge: tuple[str, ...]) -> None:
    """Show what is due to expire, or delete it with --apply and the hash that was shown.

    A day is due 89 days after it and must be gone a day later; readers no longer see it by then.
    Files that crashed writers left behind are deleted with it, and so are the keys of epochs that
    have ended. Nothing is deleted if the plan has changed since it was shown.
    """
    expiry = open_expiry(call)
    if digest is None:
        proposal = expiry.propose(call.now())
        if proposal.plan.empty:
            warn_if_empty(call)
        _show(call, proposal, _account_holds(call))
        return
    receipt = expiry.apply(digest, call.now(), acknowledge, lambda step: call.out.say(f"{step} .."))
    _confirm(call, receipt)


def open_expiry(call: Invocation) -> Expiry:
    """Expiry over every table of the lake of the settings."""
    from pipeline.io.lake.rejection_table import KEPT_DAYS
    from pipeline.ops.retention.expiry import ExpiringTable, Expiry

    today = call.now().date()
    lake, state = open_fitting_lake(call.settings, call.now), open_state(call.settings)
    holds = open_holds(call.settings)
    retention = call.settings.privacy.retention_days
    tables = [
        ExpiringTable(f"events/{event}", lake.stored(event), retention - 1)
        for event in lake.stored_events()
    ]
    tables += [
        ExpiringTable(f"restricted/{event}", lake.restricted(event), retention - 1)
        for event in lake.restricted_events()
    ]
    tables.append(ExpiringTable("rejections", lake.rejections(), KEPT_DAYS))
    return Expiry(
        tables,
        open_keystore(call.settings, call.now),
        open_receipts(call.settings),
        state,
        holds.days(today),
        retention,
        in_force=[hold.hold for hold in holds.active(today)],
        check_store_clock=call.fixed_now is None,
    )


def _account_holds(call: Invocation) -> list[Hold]:
    """The holds of accounts that are in force: they stop no expiry, but belong in its report."""
    holds = open_holds(call.settings)
    return [hold for hold in holds.active(call.now().date()) if hold.accounts]


def _show(call: Invocation, proposal: ExpiryProposal, held_accounts: Sequence[Hold]) -> None:
    plan = proposal.plan
    document = {
        "hash": plan.digest,
        "begun": proposal.begun,
        "files": len(plan.files),
        "rows": plan.rows,
        "bytes": sum(file.size for file in plan.files),
        "partitions": [{"table": table, "date": day} for table, day in plan.partitions],
        "paths": [f"{file.table}/{file.path}" for file in plan.files],
        "keys": list(plan.keys),
        "overdue": list(plan.overdue),
        "held": [{"date": held.day, "hold": held.hold} for held in plan.held],
        "held_accounts": [
            {"hold": hold.hold, "accounts": len(hold.accounts), "until": hold.until}
            for hold in held_accounts
        ],
        "not_touched": list(plan.foreign),
        "guards": [{"guard": guard.name, "why": guard.why} for guard in proposal.guards],
    }

    def text() -> None:
        if plan.empty:
            call.out.line("Nothing is due.")
        else:
            call.out.table(
                ["table", "day", "files", "rows"],
                [
                    [table, day, len(files), sum(file.rows for file in files)]
                    for table, day in plan.partitions
                    for files in [[f for f in plan.files if (f.table, f.day) == (table, day)]]
                ],
            )
        for key in plan.keys:
            call.out.line(f"The key of epoch {key} will be destroyed.")
        for held in plan.held:
            call.out.line(f"{held.day} is kept by hold {held.hold}.")
        for hold in held_accounts:
            call.out.line(
                f"Hold {hold.hold} keeps the rows of {counted(len(hold.accounts), 'account')} "
                f"from being removed on request until {hold.until}; they expire with their day."
            )
        for path in plan.foreign:
            call.out.line(f"{path} was not written by this program: it is left alone.")
        for day in plan.overdue:
            call.out.say(f"{day} is overdue: it had to be gone by now.")
        for guard in proposal.guards:
            call.out.say(f"Guard {guard.name}: {guard.why}.")
        if not plan.empty:
            begun = " to go on with the run that was interrupted" if proposal.begun else ""
            call.out.line(f"Run: telemetry expire --apply {plan.digest}{begun}")

    call.out.result(document, text)


def _confirm(call: Invocation, receipt: Receipt) -> None:
    body = dict(receipt.body)
    call.out.result(
        {"receipt": receipt.number, "hash": receipt.hash, **body},
        lambda: call.out.line(
            f"Deleted {counted(int(str(body['files'])), 'file')} with "
            f"{counted(int(str(body['rows'])), 'row')}; verified. "
            f"Receipt {receipt.number}, {receipt.hash[:16]}."
        ),
    )
