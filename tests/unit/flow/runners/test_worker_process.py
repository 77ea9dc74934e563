"""A worker process: its job comes by standard input, counts go out, nothing else does."""

from __future__ import annotations

import subprocess
import sys

from tests.rules.sources import ROOT

COMMAND = [sys.executable, "-m", "pipeline.flow.runners.worker_process"]


def test_without_a_job_a_worker_ends_with_a_failure() -> None:
    done = subprocess.run(COMMAND, cwd=ROOT, input=b"", capture_output=True, check=False)
    assert done.returncode != 0
    assert done.stdout == b""


def test_what_is_printed_goes_to_standard_error() -> None:
    """Standard output carries lines for the supervisor alone."""
    code = (
        "import pipeline.flow.runners.worker_process as w\n"
        "def job(stream):\n"
        "    print('printed', flush=True)\n"
        "    raise SystemExit(5)\n"
        "w.receive_job = job\n"
        "w.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 5
    assert done.stdout == b""
    assert b"printed" in done.stderr
