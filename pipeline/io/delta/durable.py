"""Which part of a local log is on the disk, and how the rest gets there.

delta-rs writes entries, checkpoints and `_last_checkpoint` without syncing them, and other
processes write between two commits of ours. So before anything depends on a log - a position is
reported, an old file is deleted, old entries are cleaned away - every entry from the last one known
durable to the newest one is synced, whoever wrote it, and the folder. Nothing is known about a log
met for the first time; its newest checkpoint then counts as the beginning, and is synced too.

An object store needs none of this: what it has acknowledged is durable.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pipeline.io.delta.log_files import CHECKPOINT_HINT, checkpoints_in, entry_name
from pipeline.io.disk.locks import sync_file, sync_folder


class Durable:
    """What one process knows of the local logs of one lake; shared by its threads."""

    def __init__(self, *, repairs: bool = True) -> None:
        self.repairs = repairs
        """Whether a torn log may be repaired; not by a command that promises no changes."""
        self._known: dict[Path, int] = {}
        self.inspected: set[Path] = set()
        """Logs that this process has looked through for torn entries."""

    def known(self, folder: Path) -> int:
        """Return the newest version that is known to be durable; -1 if none is."""
        return self._known.get(folder, -1)

    def make(self, folder: Path, newest: int) -> None:
        """Sync what a log folder holds up to version `newest`. Raises OSError."""
        known = self._known.get(folder)
        if known is not None and known >= newest:
            return
        if known is None:
            known = self._sync_beginning(folder)
        for version in range(known + 1, newest + 1):
            # An entry before a checkpoint may be cleaned away meanwhile.
            with suppress(FileNotFoundError):
                sync_file(folder / entry_name(version))
        sync_folder(folder)
        self._known[folder] = max(newest, self._known.get(folder, -1))

    def make_checkpoint(self, folder: Path) -> None:
        """Sync a log's newest checkpoint and the hint that names it. Raises OSError."""
        for names in list(checkpoints_in(path.name for path in folder.iterdir()).values())[-1:]:
            for name in names:
                with suppress(FileNotFoundError):
                    sync_file(folder / name)
        with suppress(FileNotFoundError):
            sync_file(folder / CHECKPOINT_HINT)
        sync_folder(folder)

    def _sync_beginning(self, folder: Path) -> int:
        """Sync the newest checkpoint and the folders above; return the version before the rest."""
        self.make_checkpoint(folder)
        # The table's own folder, and the names of it and of those above that a creation made.
        for parent in list(folder.parents)[:4]:
            with suppress(PermissionError):
                sync_folder(parent)
        versions = checkpoints_in(path.name for path in folder.iterdir())
        return max(versions, default=-1)
