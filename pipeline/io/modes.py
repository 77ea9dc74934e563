"""Who may look into a folder: the modes of everything below it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pipeline.io.faults import state_faults


def open_to_others(folder: Path) -> Iterator[str]:
    """Yield what other accounts could read or change: the folder itself, and files below it.

    Below a folder that only its owner can enter nothing is reachable, but a file whose mode says
    otherwise is one `mv` away from being read, so keys, lists and receipts are told as well.
    """
    with state_faults("The modes of a folder could not be read", str(folder)):
        seen = folder.lstat()
        if stat.S_IMODE(seen.st_mode) & 0o077:
            yield f"{folder}: mode {stat.S_IMODE(seen.st_mode):o}"
        if seen.st_uid != os.geteuid():
            yield f"{folder}: belongs to another account"
        for path in sorted(folder.rglob("*")):
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                continue
            if stat.S_ISREG(mode) and path.suffix in (".key", ".ndjson") and mode & 0o077:
                yield f"{path.relative_to(folder)}: mode {stat.S_IMODE(mode):o}"


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder, hidden ones too; none if it is not there."""
    with state_faults("A folder could not be listed", str(folder)):
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def texts_below(folder: Path, suffix: str) -> Iterator[tuple[str, str]]:
    """Yield (relative path, text) of every file with this suffix below a folder."""
    with state_faults("A file could not be read", str(folder)):
        for path in sorted(folder.rglob(f"*{suffix}")):
            if path.is_file():
                yield str(path.relative_to(folder)), path.read_text("utf-8")
