"""`telemetry keys`: which epochs have a key, and which keys were destroyed. Never the keys."""

from __future__ import annotations

from dataclasses import asdict

import click

from pipeline.cli.frame.groups import Subcommands
from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.lists import accept_lists, open_receipts
from pipeline.cli.wiring.opening import epochs_of, existing_keys, open_keystore, open_lake
from pipeline.errors import counted


@click.group(cls=Subcommands)
def command() -> None:
    """Show the keys that pseudonyms are made with, never the keys themselves."""


@command.command()
@configured
def status(call: Invocation) -> None:
    """List every epoch that ever had a key: live or destroyed, and since when."""
    call.settings.need_state()
    keys = existing_keys(call.settings, call.now)
    records = () if keys is None else keys.epochs()
    installation = None if keys is None else keys.installation()
    epochs = [
        {
            "epoch": record.name,
            "last_day": record.last_day,
            "status": "live" if record.live else "destroyed",
            "created_at": record.created_at,
            "destroyed_at": record.destroyed_at,
            "encrypts": record.encrypts,
        }
        for record in records
    ]

    def text() -> None:
        if not epochs:
            call.out.say("No epoch has a key yet: one is made when its first event arrives.")
            return
        call.out.table(
            ["epoch", "last day", "status", "created", "destroyed", "encrypts"],
            [list(epoch.values()) for epoch in epochs],
        )
        call.out.line(
            f"Installation {installation or 'without an id: version 0.1 made these keys'}"
        )

    call.out.result({"epochs": epochs, "installation": installation}, text)


@command.command()
@click.option(
    "--lists", "with_lists", is_flag=True, help="Also take lists that were cut or lost as they are."
)
@configured
def adopt(call: Invocation, with_lists: bool) -> None:
    """Record that this state folder belongs to this lake from now on. Writes a receipt.

    For the day when the old state folder is lost for good. Rows under the old keys stay in the
    lake until they expire, and no erasure, export or restriction finds them; whoever had opted out
    has to be put on the list again. Restore the backup instead, if there is one.
    """
    from pipeline.ops.installation import adopt as adopt_lake

    lake = open_lake(call.settings, call.now)
    keys = open_keystore(call.settings, call.now)
    kind = epochs_of(call.settings)
    accepted = accept_lists(call.settings) if with_lists else {}
    found = adopt_lake(lake, keys, kind, call.now())
    body = {**asdict(found), "lists": dict(accepted)}
    receipt = open_receipts(call.settings).write("adopt", body, call.now())

    def text() -> None:
        call.out.line(f"Installation {found.installation} is that of {call.settings.need_lake()}.")
        for table in found.gone:
            call.out.line(f"{table} is forgotten: it was there, and is gone.")
        for name, lines in accepted.items():
            call.out.line(f"{name} is taken as it is: {counted(lines, 'line')}.")
        call.out.line(f"Receipt {receipt.number}.")

    call.out.result({**body, "receipt": receipt.number}, text)
