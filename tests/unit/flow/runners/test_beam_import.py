"""Beam is imported without its remarks; logging and garbage collection are as before afterwards."""

from __future__ import annotations

import subprocess
import sys

from tests.rules.sources import ROOT

CODE = """
import gc, logging, sys
logging.basicConfig(level=logging.DEBUG)
root = logging.getLogger()
from pipeline.flow.runners.beam_import import import_beam
assert "apache_beam" not in sys.modules
before = list(root.filters)
import_beam()
assert "apache_beam" in sys.modules
assert root.filters == before
assert gc.isenabled()
assert gc.get_freeze_count() > 50_000
root.warning("heard again")
"""


EMBEDDED = """
import logging, sys
logging.basicConfig(level=logging.DEBUG)
from pipeline.flow.runners.beam_import import import_beam
import_beam(whole=False)
import pipeline.flow.runners.embedded
left_out = {"bson", "pymongo", "apache_beam.io.gcp.bigquery", "azure.identity", "boto3"}
assert not left_out & set(sys.modules)
import apache_beam.io.gcp.bigquery
"""


def test_what_a_run_here_does_not_use_is_left_out_and_can_be_imported_later() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", EMBEDDED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "bson" not in done.stderr


def test_an_import_logs_nothing_and_what_follows_is_logged() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    records = [line for line in done.stderr.splitlines() if ":root:" in line]
    assert records == ["WARNING:root:heard again"]
