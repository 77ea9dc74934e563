"""`telemetry receipts`: what was destroyed, and whether the record of it still holds together."""

from __future__ import annotations

import click

from pipeline.cli.frame.groups import Subcommands
from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.lists import open_receipts
from pipeline.cli.wiring.state import state_places
from pipeline.errors import EnvironmentProblem, counted


@click.group(cls=Subcommands)
def command() -> None:
    """List receipts, or check that none was removed, changed or moved."""


@command.command(name="list")
@configured
def listed(call: Invocation) -> None:
    """List every receipt, oldest first."""
    found = open_receipts(call.settings).all()
    rows = [
        {"receipt": one.number, "at": one.at, "kind": one.kind, **one.body, "hash": one.hash}
        for one in found
    ]

    def text() -> None:
        call.out.table(
            ["receipt", "at", "kind", "hash"],
            [[one.number, one.at, one.kind, one.hash[:16]] for one in found],
        )

    call.out.result({"receipts": rows}, text)


@command.command()
@configured
def verify(call: Invocation) -> None:
    """Check the whole chain. Exit code 3 if it is broken; the message names the line."""
    receipts = open_receipts(call.settings)
    broken = receipts.verify()
    if broken is not None:
        raise EnvironmentProblem(
            "The chain of receipts is broken",
            where=f"{state_places(call.settings).receipts}:{broken.line}",
            why=broken.why,
            remedy="Restore the file from its backup, and find out who changed it.",
        )
    found = receipts.all()
    last = found[-1].hash if found else None
    call.out.result(
        {"receipts": len(found), "last": last},
        lambda: call.out.line(
            f"{counted(len(found), 'receipt')}, all in order. Last hash: {last or 'none'}"
        ),
    )
