"""The documentation's site, built with the environment that `make site` installs.

python -m tests.docs.site ENVIRONMENT FOLDER
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.docs.tables import ROOT

CONFIGURATION = ROOT / "deploy" / "site"


def environment() -> Path:
    """The environment that has Sphinx; without it the test is skipped."""
    if "TELEMETRY_SITE" not in os.environ:
        pytest.skip("the site needs Sphinx: run `make docs`, or set TELEMETRY_SITE")
    return Path(os.environ["TELEMETRY_SITE"])


def build(sphinx: Path, folder: Path, source: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Build the site into a folder that is not there; a warning is a failure."""
    with tempfile.TemporaryDirectory() as trees:
        words = [str(sphinx / "bin" / "python"), "-m", "sphinx", "-q", "-W", "--keep-going"]
        words += ["-c", str(CONFIGURATION), "-d", trees, str(source), str(folder)]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=540)


if __name__ == "__main__":
    place = Path(sys.argv[2])
    shutil.rmtree(place, ignore_errors=True)
    done = build(Path(sys.argv[1]), place)
    print(done.stderr, end="", file=sys.stderr)
    print(f"Site: {place / 'index.html'}" if not done.returncode else "The site was not built")
    sys.exit(done.returncode)
