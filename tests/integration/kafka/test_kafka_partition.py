"""A network between broker and pipeline that is cut, with a namespace of its own for the cut."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]
TOOLS = all(map(shutil.which, ("unshare", "ip")))


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not TOOLS, reason="needs root, unshare and ip")
def test_a_network_that_is_cut_and_comes_back_costs_nothing(tmp_path: Path) -> None:
    driver = [sys.executable, "-m", "tests.integration.kafka.cut_off", str(tmp_path)]
    done = subprocess.run(
        ["unshare", "--net", *driver],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["kinds"]["good"] > 100
