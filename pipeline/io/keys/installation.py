"""Which installation writes a table: numbers in the table's log that identify its keys.

    installation      the installation's random id
    key/<epoch>       for each epoch with rows in the table: a check of its key
    key/optout, key/files, ..   the same for the keys that stay
    list/optout, list/receipts, ..   how often each list of the state folder was written

They are application transactions, so a commit carries them together with the rows that need them,
checkpoints keep them, and no entry of theirs is ever cleaned away. A check is 62 bits of an HMAC
of a constant: it tells whether a key is the same, and nothing about a key of 256 random bits.

A list that was written less often than the log knows is an older copy, from a backup: opt-outs,
requests, holds or receipts are missing in it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Protocol

from pipeline.errors import WrongInstallation
from pipeline.io.disk.append_log import AppendFile
from pipeline.io.disk.errors import state_faults
from pipeline.io.keys.keystore import PERMANENT, Keystore
from pipeline.io.state_folder import LISTS, stem_of
from pipeline.privacy.identity.epochs import EpochKind, epoch_of

INSTALLATION, KEY, LIST = "installation", "key/", "list/"
LIST_IDS = tuple(f"{LIST}{stem_of(name)}" for name in LISTS)
"""Where numbers of lists are kept."""
CHECKED = b"tp/v1/check"
REMEDY = (
    "Pass the --state of the pipeline that writes this lake, or restore its newest backup. "
    "If the change is meant, for example because the old keys are lost: telemetry keys adopt."
)


def generations(state: Path) -> Mapping[str, int]:
    """Return how often each list of a state folder was written, by app id, if a marker says so.

    Raises EnvironmentProblem.
    """
    with state_faults("The lists of the state folder could not be read", str(state)):
        found = [AppendFile(state / name).generation() for name in LISTS]
    return {app_id: n for app_id, n in zip(LIST_IDS, found, strict=True) if n is not None}


def no_lists() -> Mapping[str, int]:
    """Return the numbers of an installation whose lists are elsewhere: none."""
    return {}


class Versions(Protocol):
    """What is asked of a table's log."""

    def transaction_version(self, app_id: str) -> int | None: ...


def key_check(key: bytes) -> int:
    """Return the check of a key: the first 62 bits of an HMAC.

    >>> key_check(bytes(32)) == key_check(bytes(32)) != key_check(bytes([1] * 32))
    True
    """
    return int.from_bytes(hmac.digest(key, CHECKED, "sha256")[:8], "big") >> 2


def number_of(installation: str) -> int:
    """Return an installation's id as a number for the log.

    >>> number_of("00000000000000ff")
    255
    """
    return int(installation, 16)


def checks_of(keys: Keystore, epochs: Iterable[str]) -> Mapping[str, int]:
    """Return the checks of the live keys, of these epochs and permanent ones, by app id."""
    found = {name: keys.live_permanent_key(name) for name in sorted(PERMANENT)}
    found |= {name: keys.live_key(name) for name in epochs}
    return {f"{KEY}{name}": key_check(key) for name, key in found.items() if key is not None}


@dataclass(frozen=True, slots=True)
class Installation:
    """What this process writes into logs, and compares with them. Picklable.

    `keys` opens the keystore; None if this state folder has none yet.
    """

    keys: Callable[[], Keystore | None] = field(repr=False)
    kind: EpochKind
    lists: Callable[[], Mapping[str, int]] = no_lists
    """Tells how often each list was written, by app id; see `generations`."""
    _known: dict[str, int] = field(default_factory=dict, repr=False, compare=False)
    _met: dict[tuple[str, str], int] = field(default_factory=dict, repr=False, compare=False)

    def marks(self, uri: str, table: Versions, days: Iterable[date]) -> Mapping[str, int]:
        """Return what a commit of rows of `days` has to add to the log of the table at `uri`.

        Raises WrongInstallation if the log says that other keys were used before, or newer lists.
        """
        names = {epoch_of(day, self.kind).name for day in days}
        missing: dict[str, int] = {}
        for app_id, number in {**self._numbers(names), **self.lists()}.items():
            if self._met.get((uri, app_id)) == number:
                continue
            found = table.transaction_version(app_id)
            grows = app_id.startswith(LIST)
            if found is None or (grows and found < number):
                missing[app_id] = number
            elif found == number:
                self._met[uri, app_id] = number
            elif grows:
                raise wrong_installation(uri, older_than(app_id))
            else:
                raise wrong_installation(uri, f"its log has another value for {app_id}")
        return missing

    def _numbers(self, epochs: Iterable[str]) -> Mapping[str, int]:
        wanted = {INSTALLATION, *(f"{KEY}{name}" for name in (*PERMANENT, *epochs))}
        if not self._known or not wanted <= self._known.keys():
            keys = self.keys()
            if keys is None:
                return {}
            # The name of a destroyed or missing key is asked for again: that is rare.
            self._known[INSTALLATION] = number_of(keys.begin())
            self._known.update(checks_of(keys, epochs))
        return {app_id: number for app_id, number in self._known.items() if app_id in wanted}


@dataclass(frozen=True, slots=True)
class NotedList:
    """Whether a list of the state folder was begun, as the keystore remembers it. Picklable."""

    keys: Callable[[], Keystore | None] = field(repr=False)
    name: str

    def known(self) -> bool:
        """Whether the list was begun in this installation."""
        keys = self.keys()
        return keys is not None and self.name in keys.lists()

    def note(self) -> None:
        """Remember that it was begun, if there is a keystore to remember it."""
        keys = self.keys()
        if keys is not None:
            keys.note_list(self.name)


def older_than(app_id: str) -> str:
    """Say that a list is an older copy than the log has seen.

    >>> older_than("list/optout")
    'it has seen a newer state of the list optout: this state folder is an older copy'
    """
    name = app_id.removeprefix(LIST)
    return f"it has seen a newer state of the list {name}: this state folder is an older copy"


def wrong_installation(where: str, why: str) -> WrongInstallation:
    """Return the error for a lake and a state folder that do not belong together."""
    return WrongInstallation(
        "The state folder does not belong to this lake, so nothing was read or changed",
        where=where,
        why=why,
        remedy=REMEDY,
    )
