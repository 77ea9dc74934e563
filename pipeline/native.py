"""The native kernel, if this installation has it: `pipeline.kernel`, built from `kernel/`.

It is optional: without it (no Rust compiler at installation) or with `TELEMETRY_KERNEL=off` the
same answers come from Python, record by record and value by value, about ten times slower. Who
needs the kernel asks here, once for each object that it makes, so that one switch decides for all.
"""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType

SWITCH = "TELEMETRY_KERNEL"
"""Environment variable; `off` leaves the kernel alone. It travels to workers like any other."""


def kernel() -> ModuleType | None:
    """Return the kernel; None if it was not built or is switched off."""
    if is_switched_off():
        return None
    try:
        return import_module("pipeline.kernel")
    except ImportError:
        return None


def is_switched_off() -> bool:
    """Return whether the environment asks for the decoder in Python."""
    return os.environ.get(SWITCH, "").strip().lower() == "off"


def running() -> str:
    """Say in a few words which decoder runs here, for `version` and `doctor`."""
    found = kernel()
    if found is not None:
        return f"native kernel {found.__version__}"
    if is_switched_off():
        return f"Python ({SWITCH}=off)"
    return "Python (the native kernel is not built)"
