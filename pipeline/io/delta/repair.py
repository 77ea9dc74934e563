"""Finds what a power cut leaves of a log, and sets it aside.

A power cut may leave the last entries of a local log empty, cut, or missing, and the newest
checkpoint without its content. Nothing depended on them yet: whatever does comes after a sync. So
torn entries and all after them are moved to `_delta_log/torn/`, and the table stands where it was
durable; sources are read again from there. A torn checkpoint is moved there as well when the
entries, or an older checkpoint, say the same.

What cannot be a power cut is damage, and is never repaired automatically: a torn entry that a later
one knew to be durable, or one without which the log would name files that are gone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import LakeError
from pipeline.io.delta.entry import parse_entry
from pipeline.io.delta.log_files import (
    CHECKPOINT_HINT,
    TORN_FOLDER,
    LogFiles,
    checkpoints_in,
    entries_in,
    entry_name,
)
from pipeline.parsing import parse_json

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with a log; nothing if all is empty."""

    torn: tuple[int, ...] = ()
    """Versions whose entries are not whole, or are missing before others."""
    checkpoints: tuple[str, ...] = ()
    """Files of checkpoints that cannot be read."""
    newest: int = -1
    begins: int = 0
    """The version after the checkpoint that is whole, or 0."""
    durable: int = -1
    """Up to here the log was durable, as a later entry says."""
    hint_misleads: bool = False
    """Whether `_last_checkpoint` names a checkpoint that cannot be used."""

    @property
    def sound(self) -> bool:
        """Whether there is nothing to repair."""
        return not (self.torn or self.checkpoints or self.hint_misleads)


def inspect(files: LogFiles) -> Findings:
    """Look through the part of a log that a reader would use. Raises OSError."""
    # The hint first: what it names is written before it, and so is in a later listing.
    hinted = _hinted(files.read(CHECKPOINT_HINT))
    names = files.names()
    entries = entries_in(names)
    newest = max(entries, default=-1)
    unusable: list[str] = []
    begins = 0
    for version, parts in reversed(list(checkpoints_in(names).items())):
        if all(_is_checkpoint(files.read(part)) for part in parts):
            begins, newest = version + 1, max(newest, version)
            break
        unusable += parts
    torn, durable = [], -1
    for version in range(begins, newest + 1):
        content = files.read(entry_name(version))
        entry = None if content is None else parse_entry(content)
        if entry is None:
            torn.append(version)
        else:
            durable = max(durable, entry.durable)
    usable = {
        version for version, parts in checkpoints_in(names).items() if parts[0] not in unusable
    }
    misleads = hinted is not None and hinted not in usable
    return Findings(tuple(torn), tuple(unusable), newest, begins, durable, misleads)


def repair(
    files: LogFiles,
    where: str,
    files_at: Callable[[int], Collection[str]],
    files_there: Callable[[], Collection[str]],
) -> bool:
    """Set aside what a power cut tore; return whether there was anything.

    `files_at` names the table's files at a version (-1: before there was a log), `files_there`
    those that lie in its storage; for version -1 the files with final names must be none. Raises
    LakeError if the log is damaged in another way, OSError if it cannot be read or changed.
    """
    found = inspect(files)
    if found.sound:
        return False
    if found.checkpoints or found.hint_misleads:
        _set_checkpoints_aside(files, found, where)
    if found.torn:
        first = min(found.torn)
        if first <= found.durable:
            raise _damaged(where, f"entry {first} was whole once, and is not any more")
        if first < found.begins or (first == 0 and files_there()):
            raise _damaged(where, f"entry {first} is not whole")
        if first > 0 and not set(files_at(first - 1)) <= set(files_there()):
            raise _damaged(where, f"entry {first} is not whole, and files before it are gone")
        # From the newest back: a crash in between leaves a log with the same torn end.
        for version in range(found.newest, first - 1, -1):
            files.set_aside(entry_name(version))
        LOG.warning(
            "%s: entries %d to %d were torn by a power cut and are set aside",
            where,
            first,
            found.newest,
        )
    return True


def refuse(files: LogFiles, where: str) -> None:
    """Raise LakeError if `repair` would find something to set aside. Raises OSError."""
    found = inspect(files)
    # Others may write a checkpoint and clean entries away while this looks through them.
    if found.sound or inspect(files) != found:
        return
    raise LakeError(
        "The lake's log is not whole, as a power cut leaves it or as damage does",
        where=where,
        why="a checkpoint or an entry cannot be read, and this command changes nothing",
        remedy="`telemetry run`, or any other command that writes the lake, sets aside what a "
        "power cut tore, and refuses what is damaged.",
    )


def _set_checkpoints_aside(files: LogFiles, found: Findings, where: str) -> None:
    names = files.names()
    older = [version for version in checkpoints_in(names) if version < found.begins]
    entries = set(entries_in(names))
    whole = set(range(found.begins, found.newest + 1)) <= entries | set(found.torn)
    if not (whole and (found.begins > 0 or 0 in entries) and (older or found.begins == 0)):
        raise _damaged(where, "a checkpoint cannot be read, and the entries before it are gone")
    # The hint goes first: a reader that follows it to a missing checkpoint fails.
    if found.hint_misleads:
        files.set_aside(CHECKPOINT_HINT)
    for name in found.checkpoints:
        files.set_aside(name)
    LOG.warning("%s: a checkpoint that cannot be read is set aside", where)


def _hinted(hint: bytes | None) -> int | None:
    """Return the version that a hint names; None if it names none, which readers ignore."""
    try:
        said = parse_json(hint or b"")
    except ValueError:
        return None
    version = said.get("version") if isinstance(said, dict) else None
    return version if isinstance(version, int) else None


def _is_checkpoint(content: bytes | None) -> bool:
    if not content:
        return False
    try:
        pq.ParquetFile(pa.BufferReader(content)).read()
    except (OSError, pa.ArrowException):
        return False
    return True


def _damaged(where: str, why: str) -> LakeError:
    return LakeError(
        "The lake's log is damaged",
        where=where,
        why=why,
        remedy=f"A power cut does not do this, so nothing was changed. Restore the file from a "
        f"backup or from `{TORN_FOLDER}` below the log; `telemetry doctor` says what is missing.",
    )
