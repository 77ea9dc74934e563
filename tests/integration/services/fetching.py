"""What services need is fetched or built once into the user's cache folder, by one test process."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make the folder, and keep other test processes out of it for as long as this one fetches."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def built_by_go(path: Path, module: str) -> Path:
    """Return the program of a Go module at its path in the cache, built at first use."""
    with alone_in(path.parent):
        if not path.exists():
            environment = {**os.environ, "GOBIN": str(path.parent)}
            subprocess.run(["go", "install", module], env=environment, check=True, timeout=900)
    return path
