"""The same graph on Prism, Beam's runner in Go: a second opinion on what a runner may do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.integration.runs import command, expected, globbed, messages, stored
from tests.integration.services import prism

FILES, EACH = 6, 5_000

MISSING = prism.missing()
pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]


def run(folder: Path) -> dict[str, int]:
    words = command(folder, "--once", "--runner", "PrismRunner", "--workers", "2")
    done = subprocess.run(
        [*words, "--", f"--prism_location={prism.binary()}"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    account: dict[str, int] = json.loads(done.stdout)
    return account


def test_each_line_of_many_files_is_stored_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(FILES):
        lines = messages(number * EACH, (number + 1) * EACH)
        (tmp_path / "in" / f"{number}.ndjson").write_bytes(lines)
    account = run(tmp_path)
    wanted = expected(range(FILES * EACH))
    assert stored(tmp_path) == wanted
    assert globbed(tmp_path) == wanted.rows
    assert (account["read"], account["written"]) == (FILES * EACH, wanted.rows)
    assert account["files"] == len(list((tmp_path / "lake").glob("events/*/event_date=*/*")))
    # There is nothing left to do, and a second run knows it.
    assert run(tmp_path)["read"] == 0
    assert stored(tmp_path) == wanted
