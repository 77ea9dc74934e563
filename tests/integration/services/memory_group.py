"""A control group whose memory is limited: processes that need more are killed by the kernel.

Both versions of control groups are known. What a process has before it is put in is not counted,
so a small limit hits it with the next slice that it decodes.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOTS = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))


def root() -> Path | None:
    """Where groups with a memory limit can be made; None if nowhere."""
    first, unified = ROOTS
    if first.is_dir():
        return first if os.access(first, os.W_OK) else None
    control = unified / "cgroup.subtree_control"
    if os.access(unified, os.W_OK) and control.exists() and "memory" in control.read_text():
        return unified
    return None


def missing() -> str | None:
    """Say what is missing to limit memory here, or None."""
    return None if root() else "needs a control group for memory that may be changed (root)"


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """One group."""

    folder: Path

    def put(self, pid: int) -> None:
        """Put a process in."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    @property
    def kills(self) -> int:
        """How many processes of it the kernel has killed."""
        for name in ("memory.events", "memory.oom_control"):
            if (self.folder / name).exists():
                counts = dict(
                    line.split() for line in (self.folder / name).read_text().splitlines()
                )
                return int(counts["oom_kill"])
        raise FileNotFoundError(self.folder)


@contextmanager
def memory_group(limit: int) -> Iterator[MemoryGroup]:
    """Make a group of so many bytes; who is still in it at the end goes on without a limit."""
    above = root()
    assert above is not None
    folder = above / f"telemetry-test-{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        names = ("memory.max", "memory.limit_in_bytes")
        (name,) = (name for name in names if (folder / name).exists())
        (folder / name).write_text(str(limit))
        yield MemoryGroup(folder)
    finally:
        for pid in (folder / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (above / "cgroup.procs").write_text(pid)
        folder.rmdir()
