"""Import Beam without its remarks about optional parts that this program does not use."""

from __future__ import annotations

import importlib
import logging


def import_beam() -> None:
    """Load Beam; its log records on the root logger are dropped while it loads.

    Takes about a second, so only processes that run a graph call it, and once.
    """
    root = logging.getLogger()
    root.addFilter(_refuse)
    try:
        importlib.import_module("apache_beam")
    finally:
        root.removeFilter(_refuse)


def _refuse(_record: logging.LogRecord) -> bool:
    return False
