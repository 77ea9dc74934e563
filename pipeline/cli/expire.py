"""`telemetry expire`: show what is too old; delete exactly what was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.opening import open_keystore, open_lake, open_state
from pipeline.cli.options import Invocation, configured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.io.holds import Hold
    from pipeline.io.receipts import Receipt
    from pipeline.ops.expire import Expiry, Proposal

GUARDS = ("partitions", "rows")


@click.command()
@click.option(
    "--apply", "digest", metavar="HASH", help="Delete what the plan with this hash lists."
)
@click.option(
    "--acknowledge",
    type=click.Choice(GUARDS),
    multiple=True,
    help="Go on although more than 3 days, or more than 5 % of all rows, would go.",
)
@configured
def command(call: Invocation, digest: str | None, acknowledge: tuple[str, ...]) -> None:
    """Show what is due to expire, or delete it with --apply and the hash that was shown.

    A day is due 89 days after it, and has to be gone a day later; readers do not see it by then.
    Files that crashed writers left go with it, and the keys of epochs that have ended. Nothing is
    deleted if the plan has changed since it was shown.
    """
    expiry = open_expiry(call)
    if digest is None:
        _show(call, expiry.propose(call.now()), _account_holds(call))
        return
    receipt = expiry.apply(digest, call.now(), acknowledge, lambda step: call.out.say(f"{step} .."))
    _confirm(call, receipt)


def open_expiry(call: Invocation) -> Expiry:
    """Expiry over every table of the lake of the settings."""
    from pipeline.io.holds import Holds
    from pipeline.io.receipts import Receipts
    from pipeline.io.rejections import KEPT_DAYS
    from pipeline.ops.expire import ExpiringTable, Expiry

    today = call.now().date()
    lake, state = open_lake(call.settings), open_state(call.settings)
    holds = Holds(state / "holds.ndjson")
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
        Receipts(state / "receipts.ndjson"),
        state,
        holds.days(today),
        retention,
        in_force=[hold.hold for hold in holds.active(today)],
        check_store_clock=call.fixed_now is None,
    )


def _account_holds(call: Invocation) -> list[Hold]:
    """The holds of accounts that are in force: they stop no expiry, but belong in its report."""
    from pipeline.io.holds import Holds

    holds = Holds(open_state(call.settings) / "holds.ndjson")
    return [hold for hold in holds.active(call.now().date()) if hold.accounts]


def _show(call: Invocation, proposal: Proposal, held_accounts: Sequence[Hold]) -> None:
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
                f"Hold {hold.hold} keeps the rows of {len(hold.accounts)} accounts from being "
                f"removed on request until {hold.until}; they expire with their day."
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
            f"Deleted {body['files']} files with {body['rows']} rows; verified. "
            f"Receipt {receipt.number}, {receipt.hash[:16]}."
        ),
    )
