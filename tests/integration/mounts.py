"""Mount points for tests, outside pytest's folders.

pytest deletes its old folders, and fails where one is still mounted: after a test run that was
killed, the next run would. A mount point of its own is empty as soon as nothing is mounted there.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class CannotMount(Exception):
    """This machine does not let this process mount."""


@contextmanager
def mounted(what: str, *options: str) -> Iterator[Path]:
    """Mount something with options of `mount` at a new place; it is gone afterwards."""
    where = Path(tempfile.mkdtemp(prefix="telemetry-mount-"))
    try:
        done = subprocess.run(["mount", *options, what, str(where)], capture_output=True, text=True)
        if done.returncode:
            raise CannotMount(done.stderr)
        try:
            yield where
        finally:
            # A failed test may still hold a file open; the mount goes when that does.
            subprocess.run(["umount", "--lazy", str(where)], check=True)
    finally:
        where.rmdir()
