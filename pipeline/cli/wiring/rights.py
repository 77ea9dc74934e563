"""From settings to the worker that carries out rights requests; what the commands share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.cli.frame.options import Invocation
from pipeline.cli.wiring.fitting import open_fitting_lake
from pipeline.cli.wiring.lists import open_holds, open_queue, open_receipts, optout_list
from pipeline.cli.wiring.opening import epochs_of, open_keystore, open_lake, open_schemas
from pipeline.cli.wiring.state import open_state
from pipeline.errors import TelemetryError

if TYPE_CHECKING:
    from pipeline.io.rights.optout_list import Change
    from pipeline.io.rights.request_queue import AccountTokens, Request, RequestKind
    from pipeline.ops.rights.known import Looked
    from pipeline.ops.rights.worker import Rights, Worked


def look_for(call: Invocation, accounts: Sequence[str]) -> Looked | None:
    """Look whether anything is stored about accounts; None where the settings name no lake.

    It only serves a note, so a lake that cannot be read is merely reported.
    """
    import pyarrow as pa

    from pipeline.io.rights.request_queue import account_tokens
    from pipeline.ops.rights.known import look

    if call.settings.lake.path is None:
        return None
    epochs, keys = epochs_of(call.settings), open_keystore(call.settings, call.now)
    try:
        with optout_list(call) as optouts:
            people = account_tokens(
                accounts, optouts=optouts, keys=keys, epochs=epochs, now=call.now()
            )
        lake = open_lake(call.settings, call.now, repairs=False)
        try:
            return look(lake, people, epochs)
        finally:
            lake.close()
    except (TelemetryError, OSError, pa.ArrowException) as problem:
        why = problem.what if isinstance(problem, TelemetryError) else type(problem).__name__
        call.out.warn(f"whether anything is stored of them could not be seen: {why}")
        return None


def unknown_note(unknown: int, accounts: int, where: str = "in the lake") -> str:
    """Say that nothing is stored about some accounts: most often an id was mistyped."""
    all_of = "it" if accounts == 1 else f"any of the {accounts}"
    which = all_of if unknown == accounts else f"{unknown} of the {accounts}"
    return (
        f"Note: nothing of {which} is stored {where}. Check the ids: they are taken exactly as "
        "events carry them."
    )


def looked_document(looked: Looked | None) -> dict[str, object]:
    """What `look_for` found, as JSON values: null where there was no look."""
    if looked is None:
        return {"unknown": None}
    since = None if looked.whole else looked.first
    return {"unknown": looked.unknown, "looked_since": since}


@dataclass(frozen=True, slots=True)
class Desk:
    """The worker, and the way for a command to hand a request in."""

    call: Invocation
    rights: Rights

    def people(self, accounts: Sequence[str]) -> list[AccountTokens]:
        """Return the tokens of accounts; the ids go no further than this."""
        from pipeline.io.rights.request_queue import account_tokens

        call = self.call
        return account_tokens(
            accounts,
            optouts=self.rights.optouts,
            keys=open_keystore(call.settings, call.now),
            epochs=self.rights.epochs,
            now=call.now(),
        )

    def submit(
        self, kind: RequestKind, people: Sequence[AccountTokens], change: Change | None
    ) -> list[Request]:
        """Queue requests, then change the list.

        In this order, a crash in between leaves one request too many, never one too few.
        """
        now = self.call.now()
        requests = self.rights.queue.submit(kind, people, now)
        if change is not None:
            self.rights.optouts.change([person.account for person in people], change, now)
        return requests

    def carry_out(
        self, kind: RequestKind, people: Sequence[AccountTokens], change: Change | None
    ) -> tuple[list[str], Worked]:
        """Submit requests and carry out these; return their numbers and what was done."""
        numbers = [request.number for request in self.submit(kind, people, change)]
        return numbers, self.rights.work(self.call.now(), only=numbers)


@contextmanager
def open_desk(call: Invocation) -> Iterator[Desk]:
    """Open lake, queue, list and receipts of the settings."""
    from pipeline.ops.rights.worker import Rights

    state = open_state(call.settings)
    lake = open_fitting_lake(call.settings, call.now)
    holds = open_holds(call.settings)
    try:
        with optout_list(call) as optouts:
            yield Desk(
                call,
                Rights(
                    lake,
                    open_schemas(call.settings),
                    open_queue(call.settings),
                    optouts,
                    open_receipts(call.settings),
                    state,
                    epochs_of(call.settings),
                    progress=call.out.detail,
                    held=lambda now: holds.accounts(now.date()),
                ),
            )
    finally:
        lake.close()


def worked_document(done: Worked) -> dict[str, object]:
    """What a run of the worker did, as JSON values."""
    return {
        "carried_out": dict(done.swept),
        "finished": dict(done.finished),
        "held": dict(done.held),
        "rows_removed": done.rows_removed,
        "rows_moved": done.rows_moved,
        "rows_exported": done.rows_exported,
        "tombstones_forgotten": done.tombstones_forgotten,
        "receipts": done.receipts,
        "exports": [str(path) for path in done.exports],
    }
