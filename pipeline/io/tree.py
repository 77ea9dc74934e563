"""Everything below a root, as it is stored: files, folders and links, with their modes.

Nothing is skipped: hidden names, links (which are not followed), sockets, log folders, at any
depth. An object store has files only. What vanishes during the listing was not there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake.fs import DeltaStorageHandler

from pipeline.io.delta.errors import lake_faults
from pipeline.io.disk.errors import state_faults
from pipeline.io.lake.lake import Lake


class EntryKind(StrEnum):
    """What something in a tree is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "device, pipe or socket"


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file, folder, link or other thing."""

    path: str
    """Relative to the root; empty for the root itself."""
    kind: EntryKind
    size: int
    modified: float
    """Seconds since 1970, by the store's clock."""
    mode: int | None = None
    """Permission bits; None where the store has none."""
    owned: bool = True
    """Whether the account that looks owns it."""


class Tree(Protocol):
    """A root that can be listed and read."""

    def entries(self) -> Iterator[TreeEntry]:
        """Yield everything below the root, folders before what is in them."""

    def exists(self, path: str) -> bool:
        """Whether there is something of that name by now."""

    def open(self, path: str) -> pa.NativeFile:
        """Open a file to read any part of it. Raises OSError."""


class LocalTree:
    """A folder on this machine; nothing is yielded if it is not there."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def entries(self) -> Iterator[TreeEntry]:
        with state_faults("A folder could not be listed", str(self.root)):
            if self.root.is_symlink() or self.root.exists():
                yield _entry("", self.root.lstat())
                yield from self._below(self.root, "")

    def _below(self, folder: Path, prefix: str) -> Iterator[TreeEntry]:
        try:
            with os.scandir(folder) as scanned:
                found = sorted(scanned, key=lambda one: one.name)
        except (FileNotFoundError, NotADirectoryError):
            return
        for one in found:
            try:
                seen = one.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            entry = _entry(f"{prefix}{one.name}", seen)
            yield entry
            if entry.kind is EntryKind.FOLDER:
                yield from self._below(folder / one.name, f"{entry.path}/")

    def exists(self, path: str) -> bool:
        return os.path.lexists(self.root / path)

    def open(self, path: str) -> pa.NativeFile:
        return pa.OSFile(str(self.root / path), "rb")


class ObjectTree:
    """A prefix of S3, GCS or Azure, reached with delta-rs's client and options."""

    def __init__(self, root: str, options: Mapping[str, str]) -> None:
        self.root = root
        self._files = pafs.PyFileSystem(DeltaStorageHandler(root, dict(options)))

    def entries(self) -> Iterator[TreeEntry]:
        everything = pafs.FileSelector("", recursive=True, allow_not_found=True)
        with lake_faults("The lake could not be listed", self.root):
            found = self._files.get_file_info(everything)
        for info in sorted(found, key=lambda one: str(one.path)):
            path = info.path.lstrip("/")
            if info.type == pafs.FileType.File:
                yield TreeEntry(path, EntryKind.FILE, info.size, (info.mtime_ns or 0) / 1e9)

    def exists(self, path: str) -> bool:
        return bool(self._files.get_file_info(path).type != pafs.FileType.NotFound)

    def open(self, path: str) -> pa.NativeFile:
        return self._files.open_input_file(path)


def tree_of(lake: Lake) -> Tree:
    """The tree below a lake's root."""
    return LocalTree(Path(lake.root)) if lake.local else ObjectTree(lake.root, lake.options)


def _entry(path: str, seen: os.stat_result) -> TreeEntry:
    kinds = {stat.S_IFREG: EntryKind.FILE, stat.S_IFDIR: EntryKind.FOLDER}
    kinds[stat.S_IFLNK] = EntryKind.LINK
    kind = kinds.get(stat.S_IFMT(seen.st_mode), EntryKind.OTHER)
    owned = seen.st_uid == os.geteuid()
    mode = stat.S_IMODE(seen.st_mode)
    return TreeEntry(path, kind, seen.st_size, seen.st_mtime, mode, owned)
