"""`telemetry keys`: which epochs have a key, and which keys were destroyed. Never the keys."""

from __future__ import annotations

import click

from pipeline.cli.groups import Subcommands
from pipeline.cli.opening import has_keys, open_keystore
from pipeline.cli.options import Invocation, configured


@click.group(cls=Subcommands)
def command() -> None:
    """Show the keys that pseudonyms are made with, never the keys themselves."""


@command.command()
@configured
def status(call: Invocation) -> None:
    """List every epoch that ever had a key: live or destroyed, and since when."""
    call.settings.need_state()
    if has_keys(call.settings):
        records = open_keystore(call.settings, call.now).epochs()
    else:
        records = ()  # looking makes nothing
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

    call.out.result({"epochs": epochs}, text)
