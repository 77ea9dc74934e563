"""From settings to the worker that carries out rights requests; what its commands share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.cli.frame.options import Invocation
from pipeline.cli.wiring.fitting import open_fitting_lake
from pipeline.cli.wiring.lists import open_holds, open_queue, open_receipts, optout_list
from pipeline.cli.wiring.opening import epochs_of, open_keystore, open_schemas
from pipeline.cli.wiring.state import open_state

if TYPE_CHECKING:
    from pipeline.io.rights.optout_list import Change
    from pipeline.io.rights.request_queue import AccountTokens, Request, RequestKind
    from pipeline.ops.rights.worker import Rights, Worked

NOTHING_STORED = (
    "Nothing was stored of them. Check the ids: they are taken exactly as events carry them."
)


@dataclass(frozen=True, slots=True)
class Desk:
    """The worker, and the way for a command to hand a request in."""

    call: Invocation
    rights: Rights

    def people(self, accounts: Sequence[str]) -> list[AccountTokens]:
        """Return the tokens of accounts; their ids go no further than this."""
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

        In this order a crash in between leaves a request too many, never one too few.
        """
        now = self.call.now()
        requests = self.rights.queue.submit(kind, people, now)
        if change is not None:
            self.rights.optouts.change([person.account for person in people], change, now)
        return requests


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
