"""`telemetry optout`: account ids in, tokens kept. Ids are never echoed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pipeline.cli.groups import Subcommands
from pipeline.cli.kafka_lists import optout_list
from pipeline.cli.opening import open_keystore
from pipeline.cli.options import Invocation, configured
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.io.optout_list import OptOutFile

_IDS = click.argument("ids", nargs=-1, required=True, metavar="ID... | -")


@click.group(cls=Subcommands)
def command() -> None:
    """Add, remove or check opt-outs of accounts.

    With - the ids are read from standard input, one a line, so that they are in no shell history
    and no process list. They are never printed; the list keeps tokens under a key of its own.
    """


@command.command()
@_IDS
@configured
def add(call: Invocation, ids: Sequence[str]) -> None:
    """Opt accounts out: their events are dropped from now on, and stored rows are to be purged."""
    from pipeline.io.requests import RequestQueue, opt_out
    from pipeline.privacy.epochs import EpochKind

    accounts = read_accounts(ids)
    with optout_list(call) as optouts:
        done = opt_out(
            accounts,
            call.now(),
            optouts=optouts,
            queue=RequestQueue(call.settings.need_state() / "requests.ndjson"),
            keys=open_keystore(call.settings, call.now),
            epochs=EpochKind(call.settings.privacy.epoch),
        )
    document = {"accounts": len(accounts), "changed": done.added, "queued": done.queued}

    def text() -> None:
        call.out.line(f"{done.added} opted out, {len(accounts) - done.added} were already.")
        call.out.line(f"{done.queued} purges of stored rows queued.")

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
    """Tell for each account, in the order given, whether it is opted out."""
    now_us = round(call.now().timestamp() * 1_000_000)
    with optout_list(call) as optouts:
        found = optouts.check(read_accounts(ids))
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


def open_optout(call: Invocation) -> OptOutFile:
    """The opt-out list of the state folder."""
    from pipeline.io.optout_list import OptOutFile

    state = call.settings.need_state()
    keys = open_keystore(call.settings, call.now)
    return OptOutFile(state / "optout.ndjson", keys.permanent_key("optout"))


def read_accounts(ids: Sequence[str]) -> list[str]:
    """The ids, from the words or from standard input; each once, in order."""
    given = list(ids)
    if "-" in given:
        if given != ["-"]:
            raise UsageError("- stands for all ids", remedy="Give ids as words, or - alone")
        given = [line.rstrip("\r\n") for line in sys.stdin]
    accounts = list(dict.fromkeys(account for account in given if account))
    if not accounts:
        raise UsageError("there is no account id", remedy="Give ids, one a line on standard input")
    return accounts
