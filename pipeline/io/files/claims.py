"""Claims and hints: who reads which file, and which source was where.

A claim is an operating-system lock on `<state>/claims/<place>.lock`, released when its process
dies. Its file holds a hint: the source that was read at this place. Exactly-once depends on
neither: two readers of one file meet in the lake, where one of their commits is refused, and a
file is identified by its content. Hints distinguish a changed file from a new one, save unpacking
an archive again, and say where to look for the rest of a rotated file.

Names and hints hold only keyed hashes.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.io.disk.errors import state_faults
from pipeline.io.disk.locks import PRIVATE_FILE, make_private_folder
from pipeline.parsing import parse_json

_HINT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Hint:
    """The source that was last read at a place, or under a name."""

    app_id: str
    line: str
    """The hash of its first line."""
    beginnings: dict[str, str]
    """Hashes of its first bytes, by rung."""
    name: str
    """The hash of the name it had."""
    end: tuple[int, int, int] | None = None
    """Size and time of modification of an archive, and its position, if it was read to its end."""

    def pack(self) -> bytes:
        """Return it as text."""
        return json.dumps(asdict(self)).encode() + b"\n"


class Claims:
    """The one claim that a reader holds at a time, in a folder of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: tuple[str, int] | None = None
        with state_faults("the folder of claims could not be made", str(folder)):
            make_private_folder(folder)

    def take(self, place: str) -> bool:
        """Hold the claim on a place, and no other; False (and nothing changed) if it is taken."""
        if self._held and self._held[0] == place:
            return True
        path = self._folder / f"{place}.lock"
        with state_faults("a claim could not be written", str(path)):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return False
        self.release()
        self._held = (place, handle)
        return True

    def hint(self) -> Hint | None:
        """Return the hint at the place whose claim is held."""
        return None if self._held is None else _parse(os.pread(self._held[1], _HINT_BYTES, 0))

    def hint_of_name(self, name: str) -> Hint | None:
        """Return the hint that was left under a name."""
        path = self._folder / f"{name}.name"
        with state_faults("a hint could not be read", str(path)):
            return _parse(path.read_bytes()) if path.exists() else None

    def leave(self, hint: bytes, name: str | None) -> None:
        """Leave a hint at the place whose claim is held, and under a name if one is given."""
        if self._held is None:
            return
        with state_faults("a claim could not be written", str(self._folder)):
            os.ftruncate(self._held[1], 0)
            os.pwrite(self._held[1], hint, 0)
            if name is not None:
                path = self._folder / f"{name}.name"
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
                try:
                    os.write(handle, hint)
                finally:
                    os.close(handle)

    def release(self) -> None:
        """Give the claim back; safe to call without one."""
        if self._held:
            os.close(self._held[1])
            self._held = None


def _parse(text: bytes) -> Hint | None:
    """Read a hint; None if there is none, or if a crash left it half written."""
    try:
        found = parse_json(text)
        end = found["end"]
        return Hint(
            str(found["app_id"]),
            str(found["line"]),
            dict(found["beginnings"]),
            str(found["name"]),
            None if end is None else (int(end[0]), int(end[1]), int(end[2])),
        )
    except (ValueError, KeyError, TypeError, IndexError):
        return None
