"""What a place for keys is: the port, what it tells about an epoch, and the names of keys.

An epoch has the key of its tokens and, where files are encrypted, a data key; both are random, and
both are destroyed together. Some keys stay (`PERMANENT`). A keystore also carries the
installation: a random id, made at first use, by which a lake knows whose keys it was written with,
and the names of the lists that were begun, so that a list that is gone is told from one that never
existed. None of this is in the lake. `local` and `secret_manager` implement it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Protocol

from pipeline.privacy.identity.epochs import Epoch

KEY_BYTES = 32
PERMANENT = frozenset({"optout", "files", "figures"})
ID_BITS = 62
"""An installation's id fits the signed 64-bit numbers of a table's log."""


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What the index says of one epoch; times in RFC 3339 UTC."""

    name: str
    last_day: date
    created_at: str
    destroyed_at: str | None = None
    encrypts: bool = False
    """Whether the epoch has (or had) a data key, with which its files are encrypted."""

    @property
    def live(self) -> bool:
        """Whether the epoch's key still exists."""
        return self.destroyed_at is None

    def covers(self, day: date) -> bool:
        """Whether rows of the day are written under the epoch's keys."""
        return Epoch.parse(self.name).first_day <= day <= self.last_day


class Keystore(Protocol):
    """A place for keys: a local folder, or a cloud secret manager."""

    def epoch_key(self, epoch: Epoch) -> bytes | None:
        """Return an epoch's key, made at first use; None if it is destroyed or beyond retention.

        Raises KeyUnavailable if a key that should exist is missing, malformed or not protected.
        """

    def live_key(self, name: str) -> bytes | None:
        """Return the key of the epoch called `name` if it is live; never make one."""

    def data_key(self, epoch: Epoch) -> bytes | None:
        """Return the key that an epoch's files are encrypted with; otherwise as `epoch_key`."""

    def live_data_key(self, name: str) -> bytes | None:
        """Return the data key of the epoch called `name`; never make one.

        None if the epoch is destroyed or has no data key.
        """

    def permanent_key(self, name: str) -> bytes:
        """Return a key of `PERMANENT`, made at first use. Raises KeyUnavailable."""

    def live_permanent_key(self, name: str) -> bytes | None:
        """Return a key of `PERMANENT` if it was made before; never make one."""

    def epochs(self) -> tuple[EpochRecord, ...]:
        """Return every epoch that ever had a key, by name."""

    def installation(self) -> str | None:
        """Return the installation's id, 16 hex digits; None if it has none yet."""

    def begin(self) -> str:
        """Return the installation's id, made at first use."""

    def lists(self) -> frozenset[str]:
        """Name the lists that were begun in this installation."""

    def note_list(self, name: str) -> None:
        """Remember for good that a list was begun; durable when this returns."""

    def destroy(self, name: str) -> bool:
        """Destroy an epoch's keys forever; return whether they were live."""


def epoch_name(epoch: str) -> str:
    """Return the name under which an epoch's token key is kept.

    >>> epoch_name("4weeks-0037")
    'epoch-4weeks-0037'
    """
    return f"epoch-{epoch}"


def data_name(epoch: str) -> str:
    """Return the name under which an epoch's data key is kept.

    >>> data_name("4weeks-0037")
    'data-4weeks-0037'
    """
    return f"data-{epoch}"


def new_installation(bits: int) -> str:
    """Return the id that random bits make.

    >>> new_installation(2**62 - 1)
    '3fffffffffffffff'
    """
    return f"{bits:016x}"
