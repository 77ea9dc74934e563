"""From settings to the worker that carries out rights requests; what its commands share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.cli.kafka_lists import optout_list
from pipeline.cli.opening import open_keystore, open_lake, open_schemas, open_state
from pipeline.cli.options import Invocation

if TYPE_CHECKING:
    from pipeline.io.optout_list import Change
    from pipeline.io.requests import AccountTokens, Request, RequestKind
    from pipeline.ops.work import Rights, Worked


@dataclass(frozen=True, slots=True)
class Desk:
    """The worker, and the way for a command to hand a request in."""

    call: Invocation
    rights: Rights

    def people(self, accounts: Sequence[str]) -> list[AccountTokens]:
        """Return the tokens of accounts; their ids go no further than this."""
        from pipeline.io.requests import account_tokens

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
    from pipeline.io.holds import Holds
    from pipeline.io.receipts import Receipts
    from pipeline.io.requests import RequestQueue
    from pipeline.ops.work import Rights
    from pipeline.privacy.epochs import EpochKind

    state = open_state(call.settings)
    lake = open_lake(call.settings, call.now)
    holds = Holds(state / "holds.ndjson")
    try:
        with optout_list(call) as optouts:
            yield Desk(
                call,
                Rights(
                    lake,
                    open_schemas(call.settings),
                    RequestQueue(state / "requests.ndjson"),
                    optouts,
                    Receipts(state / "receipts.ndjson"),
                    state,
                    EpochKind(call.settings.privacy.epoch),
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
