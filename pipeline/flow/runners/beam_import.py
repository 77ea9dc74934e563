"""Import Beam without its remarks about optional parts that this program does not use."""

from __future__ import annotations

import atexit
import gc
import importlib
import logging


def import_beam() -> None:
    """Load Beam; its log records on the root logger are dropped while it loads.

    Takes about a second, so only processes that run a graph call it, and once. What it loads
    stays for good: the garbage collector looks at it neither meanwhile nor later.
    """
    root = logging.getLogger()
    root.addFilter(_refuse)
    gc.disable()
    try:
        importlib.import_module("apache_beam")
    finally:
        gc.enable()
        gc.freeze()
        atexit.register(gc.unfreeze)  # else libraries tell at the end of what they call leaks
        root.removeFilter(_refuse)


def _refuse(_record: logging.LogRecord) -> bool:
    return False
