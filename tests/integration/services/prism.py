"""Prism, Beam's runner in Go: one binary, built once with Go into the user's cache folder.

`$XDG_CACHE_HOME/telemetry-pipeline/prism`; `TELEMETRY_PRISM` names another binary.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import apache_beam

from tests.conftest import CACHE
from tests.integration.services.fetching import built_by_go

_MODULE = f"github.com/apache/beam/sdks/v2/go/cmd/prism@v{apache_beam.__version__}"


def missing() -> str | None:
    """Say what is missing to have Prism here, or None."""
    if os.environ.get("TELEMETRY_PRISM") or _cached().exists() or shutil.which("go"):
        return None
    return "needs Go, or TELEMETRY_PRISM=<the prism binary>"


def _cached() -> Path:
    return CACHE / "prism" / f"v{apache_beam.__version__}" / "prism"


def binary() -> Path:
    """The runner, built at first use, which takes a minute or two."""
    named = os.environ.get("TELEMETRY_PRISM")
    if named:
        return Path(named)
    return built_by_go(_cached(), _MODULE)
