"""The opt-out list of an embedded installation: a file in the state folder that only grows.

A token about which nothing is known any more leaves blanks behind, as many as its lines were long:
a list that becomes shorter is one that was cut, and a reader's place in it stays where it is.
Account ids go in, tokens under the permanent opt-out key are kept. What cannot be read stops the
pipeline (`OptOutStale`) and is reported by line number, never by content. A list that was never
created is an empty list; one that was created and has disappeared is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from pipeline.errors import OptOutStale
from pipeline.io.disk.append_log import AppendFile, Register
from pipeline.io.disk.errors import state_faults
from pipeline.io.disk.list_marker import FileGone
from pipeline.io.standings.entries import encode, opted_in, opted_out, to_micros
from pipeline.io.standings.follower import ListFollower
from pipeline.io.standings.lines import MalformedLine
from pipeline.privacy.identity.tokens import Domain, TokenKey
from pipeline.privacy.optout import OptOutState, Standing

Change = Callable[[Standing, int], Standing]
"""From a token's old standing, and a time in microseconds, to its new one."""


class OptOutSource(Protocol):
    """Where a worker learns who opted out: a local file, or a compacted topic."""

    def load(self) -> OptOutState:
        """Return the list, read to its end as of now. Raises OptOutStale."""

    def refresh(self, now: datetime) -> OptOutState:
        """Return the list brought up to date. Raises OptOutStale if that has become too old."""

    def age(self, now: datetime) -> timedelta | None:
        """Return how old our knowledge of the list is; None if nothing is known."""

    def close(self) -> None:
        """Let go of connections."""


class OptOutList(Protocol):
    """A list that can also be changed: what commands and services need of it."""

    def tokens(self, account_ids: Sequence[str]) -> list[str]:
        """Return the tokens of accounts. Raises UsageError for an id that cannot be one."""

    def check(self, account_ids: Sequence[str]) -> list[Standing]:
        """Return what each account asked for, as of now."""

    def standings(self) -> Mapping[str, Standing]:
        """Return the whole list as of now, by token."""

    def add(self, account_ids: Sequence[str], now: datetime) -> int:
        """Opt accounts out from `now` on; return how many were not opted out before."""

    def remove(self, account_ids: Sequence[str], now: datetime) -> int:
        """Opt accounts in again from `now` on; return how many were opted out before."""

    def change(self, tokens: Sequence[str], change: Change, now: datetime) -> int:
        """Apply `change` to the standings of tokens; return how many became different."""


class OptOutFile:
    """The list in a local file; opened by each process for itself.

    Reading costs one `stat` while nothing changed. Writing takes a lock between processes.
    """

    def __init__(self, path: Path, key: bytes, register: Register | None = None) -> None:
        self._file = AppendFile(path, register)
        self._follower = ListFollower(self._file)
        self._tokens = TokenKey(key)
        self._state = OptOutState(self._follower.table)
        self.checked_at: datetime | None = None
        """When the list was last found readable; what `status` shows as its age."""

    def __repr__(self) -> str:
        return f"OptOutFile({str(self._file.path)!r})"

    def load(self) -> OptOutState:
        """See `OptOutSource.load`."""
        self._follower.reset()
        self._catch_up()
        return self._state

    def refresh(self, now: datetime) -> OptOutState:
        """See `OptOutSource.refresh`; a local list is fresh for as long as it can be read."""
        self._catch_up()
        self.checked_at = now
        return self._state

    def age(self, now: datetime) -> timedelta | None:
        """See `OptOutSource.age`."""
        return None if self.checked_at is None else now - self.checked_at

    def close(self) -> None:
        """Do nothing: between two calls no file is open."""

    def tokens(self, account_ids: Sequence[str]) -> list[str]:
        """Return the tokens of accounts. Raises UsageError for an id that cannot be one."""
        return [token.hex() for token in self._tokens.tokens(Domain.OPTOUT, account_ids)]

    def add(self, account_ids: Sequence[str], now: datetime) -> int:
        """Opt accounts out from `now` on; return how many were not opted out before."""
        return self.change(self.tokens(account_ids), opted_out, now)

    def remove(self, account_ids: Sequence[str], now: datetime) -> int:
        """Opt accounts in again from `now` on; return how many were opted out before."""
        return self.change(self.tokens(account_ids), opted_in, now)

    def standings(self) -> Mapping[str, Standing]:
        """Return the whole list as of now, by token."""
        self._catch_up()
        return self._state.standings

    def check(self, account_ids: Sequence[str]) -> list[Standing]:
        """Return what each account asked for, as of now."""
        self._catch_up()
        return [found or Standing() for found in self._find(self.tokens(account_ids))]

    def change(self, tokens: Sequence[str], change: Change, now: datetime) -> int:
        """Apply `change` to the standings of tokens; return how many became different.

        A token whose standing becomes empty is removed from the file. Durable and visible to
        every process when this returns; safe to repeat. Raises OptOutStale if the list as it is
        cannot be trusted, EnvironmentProblem if it cannot be written.
        """
        at = to_micros(now)
        where = str(self._file.path)
        with state_faults("The opt-out list could not be written", where), self._locked():
            self._catch_up()
            there = dict(zip(tokens, self._find(tokens), strict=True))
            changed: dict[str, Standing] = {}
            for token in tokens:
                before = changed.get(token, there[token] or Standing())
                after = change(before, at)
                if after != before:
                    changed[token] = after
            empty = {token for token, after in changed.items() if after == Standing()}
            if empty:
                self._forget(empty)
            if len(changed) > len(empty):
                kept = [item for item in changed.items() if item[0] not in empty]
                self._file.append([encode(token, after, at) for token, after in kept])
            if changed:
                self._catch_up()
        return len(changed)

    def _locked(self) -> AbstractContextManager[None]:
        return self._follower.exclusive()

    def _find(self, tokens: Sequence[str]) -> Sequence[Standing | None]:
        distinct = list(dict.fromkeys(tokens))
        found = dict(zip(distinct, self._state.find(distinct), strict=True))
        return [found[token] for token in tokens]

    def _catch_up(self) -> None:
        """Read what was added since the last time, or everything if the file was replaced."""
        try:
            with self._trusting():
                self._follower.catch_up()
        except OSError as error:
            raise self._stale(f"the system answered {type(error).__name__}") from None
        if self._state.standings is not self._follower.table:
            self._state = OptOutState(self._follower.table)

    def _forget(self, tokens: AbstractSet[str]) -> None:
        with self._trusting():
            self._follower.forget(tokens)

    @contextmanager
    def _trusting(self) -> Iterator[None]:
        """Say that the list cannot be trusted if it cannot be read."""
        try:
            yield
        except FileGone as error:
            raise self._stale(str(error)) from None
        except MalformedLine as error:
            raise self._stale(f"line {error.number} is not an entry of the list") from None

    def _stale(self, why: str) -> OptOutStale:
        return OptOutStale(
            "The opt-out list cannot be trusted, so nothing is read",
            where=str(self._file.path),
            why=why,
            remedy="Restore the list from its backup; `telemetry optout check` tells whether it "
            "is readable again. If nothing can be restored, `telemetry keys adopt --lists` records "
            "that the list is taken as it is.",
        )
