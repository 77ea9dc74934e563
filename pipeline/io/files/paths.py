"""Input paths: which files do the paths of a settings file or of `--input` mean now?

A path names a file, a folder (its files, not its subfolders) or a pattern (`*`, `?`, `[...]`, `**`
for any depth). In folders and patterns, hidden files and files that are still being written under
a temporary name are skipped; a file that is named outright is always taken.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.errors import EnvironmentProblem
from pipeline.io.disk.errors import environment_problem

TEMPORARY_SUFFIXES = (".tmp", ".temp", ".part", ".partial", ".swp", ".lock", "~")
"""A writer that renames its file when it is complete uses one of these until then."""


def is_taken(name: str) -> bool:
    """Return whether a file of this name is read when its folder or a pattern is named."""
    return not name.startswith(".") and not name.endswith(TEMPORARY_SUFFIXES)


Place = tuple[int, int]
"""Device and inode: where a file is now. A hint of where to look, never what a file is."""


def place_at(status: os.stat_result) -> Place:
    """Return where a file is."""
    return status.st_dev, status.st_ino


def find_inputs(paths: Sequence[str]) -> dict[Place, tuple[str, os.stat_result]]:
    """Return the files that exist now as `place -> (path, stat)`, in order of path.

    A file that is reached twice (two patterns, a hard link) is there once, under its first path.
    """
    found: dict[Place, tuple[str, os.stat_result]] = {}
    for path in paths:
        for name in _expand(path):
            try:
                status = Path(name).stat()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise unreadable(error, name) from None
            if stat.S_ISREG(status.st_mode):
                found.setdefault(place_at(status), (name, status))
    return found


def require_inputs(paths: Sequence[str]) -> None:
    """Refuse a path that names nothing; a pattern or a folder may be empty for now.

    Raises `EnvironmentProblem`.
    """
    for path in paths:
        if glob.has_magic(path):
            continue
        try:
            mode = Path(path).stat().st_mode
        except OSError as error:
            raise unreadable(error, path) from None
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise EnvironmentProblem(
                "the input is neither a file nor a folder",
                where=path,
                why="only what can be read again can have a position",
                remedy="Write the lines to a file, and name that.",
            )


def unreadable(error: OSError, path: str) -> EnvironmentProblem:
    """Return what to raise when an input cannot be read."""
    if isinstance(error, FileNotFoundError):
        return EnvironmentProblem(
            "the input was not found", where=path, remedy="Check the path, or name its folder."
        )
    what = "the input could not be read"
    return environment_problem(error, what, path) or EnvironmentProblem(
        what, where=path, why=os.strerror(error.errno or 0).lower(), remedy="Check the disk."
    )


def _expand(path: str) -> Iterator[str]:
    if glob.has_magic(path):
        names = sorted(glob.iglob(path, recursive=True))  # noqa: PTH207  a pattern may be absolute
        yield from (name for name in names if is_taken(os.path.basename(name)))  # noqa: PTH119
        return
    try:
        with os.scandir(path) as entries:
            yield from sorted(entry.path for entry in entries if is_taken(entry.name))
    except NotADirectoryError:
        yield path
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable(error, path) from None
