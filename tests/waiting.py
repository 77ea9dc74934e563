"""Waiting for what has to happen: one upper bound, generous enough for a busy machine."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 300.0


def wait_for(
    condition: Callable[[], bool], what: str = "it", seconds: float = PATIENCE_SECONDS
) -> None:
    """Return as soon as the condition holds; fail if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.05)
