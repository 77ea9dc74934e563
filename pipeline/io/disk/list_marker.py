"""The marker beside a file that only grows: how long it is, and a hash over its lines.

    {"generation": 7, "left": [inode, nanoseconds] or null, "states": [[size, "<64 hex>"], ...]}

A list of version 0.1 has an empty marker, which says nothing but that it was begun.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.io.disk.private import write_private
from pipeline.parsing import parse_json

Left = tuple[int, int]
"""Inode of a file, and when the system last changed anything about it, in nanoseconds."""


class FileGone(Exception):
    """The file is not what was written: removed, cut, emptied or replaced. Says which."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a marker says of its file."""

    states: tuple[tuple[int, bytes], ...]
    """Length and chained hash: one state, or two while the file is being replaced."""
    generation: int
    """How often the list was written."""
    left: Left | None = None
    """How the file looked when it was last known to be whole; None if that is not known."""

    @property
    def shortest(self) -> int:
        """The shorter of its states."""
        return min(size for size, _ in self.states)


class ListMarker:
    """One such marker."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def exists(self) -> bool:
        """Whether there is one, whatever is in it."""
        return self._path.exists()

    def read(self) -> Vouched | None:
        """Return what it says; None if there is none, or one of version 0.1. Raises FileGone."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        if not content:
            return None
        try:
            said = parse_json(content)
            states = [(int(size), bytes.fromhex(chain)) for size, chain in said["states"]]
            generation = int(said["generation"])
            left = said.get("left")
            seen = None if left is None else (int(left[0]), int(left[1]))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            raise FileGone("the record of its length cannot be read") from None
        return Vouched(tuple(states), generation, seen) if states else None

    def write(
        self, generation: int, states: Sequence[tuple[int, bytes]], left: Left | None
    ) -> None:
        """Replace it in one step, durable when this returns."""
        written = [[size, chain.hex()] for size, chain in states]
        said = {"generation": generation, "left": left, "states": written}
        write_private(self._path, json.dumps(said).encode())
