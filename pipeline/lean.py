"""Keep a library that is not ours out of a process of ours.

pyarrow imports pandas at the first conversion of a list wherever it is installed, as in the
environment of an analyst: a quarter of a second, and memory, for something that no command uses.
The Python API leaves pandas alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _LeftOut(MetaPathFinder):
    """Says of one package that it is not installed."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname == self._package:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def leave_out(package: str) -> None:
    """Let this process do without a package that is not imported yet."""
    sys.meta_path.insert(0, _LeftOut(package))
