"""`telemetry optout`: account ids in, tokens kept. Ids are never echoed."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pipeline.cli.frame.accounts import read_accounts
from pipeline.cli.frame.groups import Subcommands
from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.lists import open_queue, optout_list
from pipeline.cli.wiring.opening import epochs_of, open_keystore
from pipeline.errors import counted

_IDS = click.argument("ids", nargs=-1, required=True, metavar="ID... | -")


@click.group(cls=Subcommands)
def command() -> None:
    """Add, remove or check opt-outs of accounts.

    With - the ids are read from standard input, one a line, so that they appear in no shell history
    or process list. They are never printed; the list keeps tokens under a separate key.
    """


@command.command()
@_IDS
@configured
def add(call: Invocation, ids: Sequence[str]) -> None:
    """Opt accounts out: their events are dropped from now on, and stored rows are to be purged."""
    from pipeline.io.rights.request_queue import opt_out

    accounts = read_accounts(ids)
    with optout_list(call) as optouts:
        done = opt_out(
            accounts,
            call.now(),
            optouts=optouts,
            queue=open_queue(call.settings),
            keys=open_keystore(call.settings, call.now),
            epochs=epochs_of(call.settings),
        )
    document = {"accounts": len(accounts), "changed": done.added, "queued": done.queued}

    def text() -> None:
        call.out.line(f"{done.added} opted out, {len(accounts) - done.added} were already.")
        call.out.line(f"{counted(done.queued, 'purge')} of stored rows queued.")

    call.out.result(document, text)


@command.command()
@_IDS
@configured
def remove(call: Invocation, ids: Sequence[str]) -> None:
    """Opt accounts in again; events from inside the opt-out stay dropped."""
    accounts = read_accounts(ids)
    with optout_list(call) as optouts:
        changed = optouts.remove(accounts, call.now())
    document = {"accounts": len(accounts), "changed": changed}
    call.out.result(
        document,
        lambda: call.out.line(f"{changed} opted in, {len(accounts) - changed} were already."),
    )


@command.command()
@_IDS
@configured
def check(call: Invocation, ids: Sequence[str]) -> None:
    """Show for each account, in the order given, whether it is opted out."""
    accounts = read_accounts(ids)
    now_us = round(call.now().timestamp() * 1_000_000)
    with optout_list(call) as optouts:
        found = optouts.check(accounts)
    standings = [
        {
            "number": number,
            "opted_out": standing.opted_out_at(now_us),
            "erased": standing.erased_at is not None,
            "restricted": standing.restricted is not None,
        }
        for number, standing in enumerate(found, 1)
    ]
    call.out.result(
        {"accounts": standings},
        lambda: call.out.table(
            ["account", "opted out", "erased", "restricted"],
            [list(standing.values()) for standing in standings],
        ),
    )
