"""The names and bytes of a log's files, in a local folder or in an object store."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pyarrow.fs as pafs
from deltalake.fs import DeltaStorageHandler

from pipeline.io.disk.locks import sync_folder

LOG_FOLDER = "_delta_log"
CHECKPOINT_HINT = "_last_checkpoint"
TORN_FOLDER = "torn"
"""Where, below a log, torn entries and what came after them are kept."""

_ENTRY = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\b.*\.parquet")


def entry_name(version: int) -> str:
    """Return the name of an entry.

    >>> entry_name(7)
    '00000000000000000007.json'
    """
    return f"{version:020d}.json"


def entries_in(names: Iterable[str]) -> list[int]:
    """Return the versions of the entries among `names`, in order."""
    return sorted(int(match[1]) for name in names if (match := _ENTRY.fullmatch(name)))


def checkpoints_in(names: Iterable[str]) -> Mapping[int, list[str]]:
    """Return the files of each checkpoint among `names` by its version, oldest first."""
    found: dict[int, list[str]] = {}
    for name in sorted(names):
        if match := _CHECKPOINT.fullmatch(name):
            found.setdefault(int(match[1]), []).append(name)
    return dict(sorted(found.items()))


def require_entrance(folder: Path) -> None:
    """Raise OSError if a log's folder cannot be entered: delta-rs calls that a missing table."""
    with suppress(FileNotFoundError):
        next(folder.iterdir(), None)


class LogFiles(Protocol):
    """A log's folder. Every method raises OSError if the storage fails."""

    def names(self) -> list[str]:
        """Name the files; none if there is no such folder."""

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None if there is no such file."""

    def set_aside(self, name: str) -> None:
        """Move a file to the folder of torn ones; one that is already gone is fine."""


class LocalLogFiles:
    """The log of a table in a local folder."""

    def __init__(self, table: Path) -> None:
        self.folder = table / LOG_FOLDER

    def names(self) -> list[str]:
        try:
            return [path.name for path in self.folder.iterdir() if path.is_file()]
        except FileNotFoundError:
            return []

    def read(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def set_aside(self, name: str) -> None:
        torn = self.folder / TORN_FOLDER
        torn.mkdir(exist_ok=True)
        try:
            (self.folder / name).rename(torn / name)
        except FileNotFoundError:
            return
        sync_folder(torn)
        sync_folder(self.folder)


class ObjectLogFiles:
    """The log of a table in an object store."""

    def __init__(self, uri: str, options: Mapping[str, str]) -> None:
        self._files = pafs.PyFileSystem(DeltaStorageHandler(uri, dict(options)))

    def names(self) -> list[str]:
        found = self._files.get_file_info(pafs.FileSelector(LOG_FOLDER, allow_not_found=True))
        return [info.base_name for info in found if info.type == pafs.FileType.File]

    def read(self, name: str) -> bytes | None:
        try:
            with self._files.open_input_file(f"{LOG_FOLDER}/{name}") as file:
                content: bytes = file.read()
                return content
        except FileNotFoundError:
            return None

    def set_aside(self, name: str) -> None:
        content = self.read(name)
        if content is None:
            return
        target = f"{LOG_FOLDER}/{TORN_FOLDER}/{name}"
        with self._files.open_output_stream(target, buffer_size=len(content) + 1) as stream:
            stream.write(content)
        self._files.delete_file(f"{LOG_FOLDER}/{name}")


def log_files(uri: str, options: Mapping[str, str]) -> LogFiles:
    """Return the log files of the table at `uri`."""
    return ObjectLogFiles(uri, options) if "://" in uri else LocalLogFiles(Path(uri))
