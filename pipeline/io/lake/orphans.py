"""Files in a table's storage that no commit names: which are rubbish, and who may remove them.

    of a writer whose process is gone     removed when the next process starts (local lakes)
    older than an hour                    removed by a sweep, unless their writer is alive
    younger                               left alone: a commit may be about to name them
    not named as our writers name files   never removed, only reported

Only the store's clock tells the age: a file that this machine's clock calls old may be in flight.
The listing is taken before the log is loaded, so a file that is committed in between is known to
be committed. A writer abandons what it staged more than 30 minutes ago, so an hour is safe.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.io.delta.errors import lake_faults
from pipeline.io.parquet.encryption import LABEL

if TYPE_CHECKING:
    from pipeline.io.lake.storage import Storage, StoredFile

SWEEP_AFTER_SECONDS = 3600.0

_END = rf"(?:\.{LABEL})?\.parquet"
_OURS = re.compile(
    r"[a-z_]+=\d{4}-\d\d-\d\d/"
    rf"(?:(?:part|sealed|final)-(?P<part>[0-9a-f]{{12}})-(?P<a>[0-9a-f]{{32}}){_END}"
    rf"|\.(?:part|sealed|final)-(?P<hidden>[0-9a-f]{{12}})-(?P<b>[0-9a-f]{{32}}){_END}\.tmp)"
)


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Files that no commit names."""

    orphans: tuple[StoredFile, ...]
    """Ours, and old enough to be removed."""
    young: tuple[StoredFile, ...]
    """Ours, but perhaps about to be committed."""
    foreign: tuple[StoredFile, ...]
    """Not written by this program."""


def writer_of(path: str) -> str | None:
    """Return the writer in the name of one of our files; None for a foreign file.

    >>> writer_of("event_date=2026-11-01/part-0123456789ab-" + 32 * "0" + ".parquet")
    '0123456789ab'
    """
    match = _OURS.fullmatch(path)
    return match and (match["part"] or match["hidden"])


def number_of(path: str) -> int | None:
    """Return the number of one of our files: 60 bits of the random part of its name.

    >>> number_of("event_date=2026-11-01/part-0123456789ab-" + 31 * "0" + "1.parquet")
    0
    """
    match = _OURS.fullmatch(path)
    return match and int((match["a"] or match["b"])[:15], 16)


def is_revealed(path: str) -> bool:
    """Whether a path is one of our files under its final name."""
    match = _OURS.fullmatch(path)
    return match is not None and match["part"] is not None


def sort_leftovers(
    listed: Iterable[StoredFile],
    named: frozenset[str],
    alive: frozenset[str],
    store_clock: Callable[[], float],
) -> Leftovers:
    """Sort what is in the storage and is not `named` by the log.

    `store_clock` is read at most once, and only if there is something to judge: it costs a file.
    """
    now: float | None = None
    orphans: list[StoredFile] = []
    young: list[StoredFile] = []
    foreign: list[StoredFile] = []
    for found in sorted(listed, key=lambda found: found.path):
        if found.path in named:
            continue
        writer = writer_of(found.path)
        if writer is None:
            foreign.append(found)
        elif writer in alive:
            young.append(found)
        else:
            now = store_clock() if now is None else now
            old = now - found.modified >= SWEEP_AFTER_SECONDS
            (orphans if old else young).append(found)
    return Leftovers(tuple(orphans), tuple(young), tuple(foreign))


def of_dead(
    listed: Iterable[StoredFile], named: frozenset[str], dead: frozenset[str]
) -> tuple[StoredFile, ...]:
    """Return the files of writers whose processes are gone that no commit names."""
    return tuple(
        found for found in listed if found.path not in named and writer_of(found.path) in dead
    )


def remove(storage: Storage, files: Iterable[StoredFile], where: str) -> int:
    """Delete files; return how many. Raises LakeError or EnvironmentProblem."""
    count = 0
    for found in files:
        with lake_faults("A leftover file could not be removed", where):
            storage.delete(found.path)
        count += 1
    return count
