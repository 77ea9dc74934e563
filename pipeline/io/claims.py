"""Claims: which worker reads which file, so that workers of one machine do not do work twice.

A claim is a lock of the operating system on `<state>/claims/<identity>.lock`, gone when its
process dies. Exactly-once does not depend on it: two readers of one file meet again in the lake,
where one of their commits is refused.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from pipeline.io.faults import state_faults
from pipeline.io.locks import PRIVATE_FILE, make_private_folder


class Claims:
    """The one claim that a reader holds at a time, in a folder of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: tuple[str, int] | None = None
        with state_faults("the folder of claims could not be made", str(folder)):
            make_private_folder(folder)

    def take(self, identity: str) -> bool:
        """Hold the claim on a file, and no other; False (and nothing changed) if it is taken."""
        if self._held and self._held[0] == identity:
            return True
        path = self._folder / f"{identity}.lock"
        with state_faults("a claim could not be written", str(path)):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return False
        self.release()
        self._held = (identity, handle)
        return True

    def note_end(self, size: int, position: int) -> None:
        """Note on the held claim that a compressed file of `size` bytes ends at `position`.

        A hint that saves unpacking it again to find out; no position is taken from it.
        """
        if self._held:
            note = b"%d %d\n" % (size, position)
            with state_faults("a claim could not be written", str(self._folder)):
                os.ftruncate(self._held[1], 0)
                os.pwrite(self._held[1], note, 0)

    def is_end(self, size: int, position: int) -> bool:
        """Tell whether exactly that was noted on the held claim."""
        return self._held is not None and (
            os.pread(self._held[1], 64, 0) == b"%d %d\n" % (size, position)
        )

    def release(self) -> None:
        """Give the claim back; safe to call without one."""
        if self._held:
            os.close(self._held[1])
            self._held = None
