"""The daily chain as Airflow and Dagster load it: its order, and what becomes of exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rules.sources import ROOT
from tests.unit.cli.commands.tiny import NOW, make

FOLDER = ROOT / "deploy" / "orchestrators"
CELLS = Path(__file__).with_name("cells.py")
ORDER = {"seal": [], "rollup": ["seal"], "expire_plan": ["rollup"], "audit": ["expire_plan"]}
COMMAND = """#!/bin/sh
echo "$@" >> "$0.called"
echo '{"hash": "abc", "rows": 3, "days": ["2026-11-23"]}'
echo "told" >&2
exit $(cat "$0.code")
"""


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """A command that notes its words and ends as the file beside it says."""
    path = tmp_path / "telemetry"
    path.write_text(COMMAND)
    path.chmod(0o755)
    return path


def cells(kind: str, command: Path, home: Path, *steps: str, **more: str) -> Any:
    """What the orchestrator says of the chain."""
    if "TELEMETRY_ORCHESTRATORS" not in os.environ:
        pytest.skip("needs Airflow and Dagster: run `make orchestrators`")
    python = Path(os.environ["TELEMETRY_ORCHESTRATORS"]) / "bin" / "python"
    places = {"AIRFLOW_HOME": str(home), "DAGSTER_HOME": "", "TELEMETRY_COMMAND": str(command)}
    done = subprocess.run(
        [str(python), str(CELLS), kind, *steps],
        env={**os.environ, **places, **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def ends_with(command: Path, code: int) -> None:
    command.with_name(f"{command.name}.code").write_text(str(code))


def called(command: Path) -> list[str]:
    return command.with_name(f"{command.name}.called").read_text().splitlines()


def test_airflow_tries_again_what_another_try_may_mend(command: Path, tmp_path: Path) -> None:
    raised = {}
    for code in (0, 1, 4):
        ends_with(command, code)
        told = cells("airflow", command, tmp_path, *ORDER)
        raised[code] = told["raised"]
    assert told["after"] == ORDER
    assert (told["id"], told["catchup"], told["most"]) == ("telemetry_daily", False, 1)
    assert set(told["retries"].values()) == {3}
    assert raised[0] == {name: {"hash": "abc", "rows": 3} for name in ORDER}
    assert raised[1] == {
        **dict.fromkeys(ORDER, "AirflowException"),
        "audit": "AirflowFailException",
    }
    assert raised[4] == dict.fromkeys(ORDER, "AirflowFailException")
    assert called(command)[:4] == ["seal --json", "rollup --json", "expire --json", "audit --json"]


def test_dagster_tries_again_what_another_try_may_mend(command: Path, tmp_path: Path) -> None:
    raised = {}
    for code in (1, 4):
        ends_with(command, code)
        told = cells("dagster", command, tmp_path, *ORDER)
        raised[code] = told["raised"]
    assert told["after"] == ORDER
    assert told["schedules"] == ["30 2 * * *"]
    assert raised[1] == {
        **dict.fromkeys(ORDER, "RetryRequested, 3 more"),
        "audit": "Failure, 0 more",
    }
    assert raised[4] == dict.fromkeys(ORDER, "Failure, 0 more")


def test_dagster_runs_the_chain_on_a_lake(tmp_path: Path) -> None:
    make(tmp_path)
    real = Path(sys.executable).parent / "telemetry"
    command = tmp_path / "at"
    command.write_text(f'#!/bin/sh\nexec {real} "$@" --now {NOW}\n')
    command.chmod(0o755)
    told = cells("dagster", command, tmp_path, TELEMETRY_CONFIG=str(tmp_path / "telemetry.toml"))
    assert told["ok"]
    assert re.fullmatch("[0-9a-f]{16}", told["told"]["expire_plan"]["hash"])


def test_the_exit_codes_of_the_page_are_those_of_the_command() -> None:
    page = (ROOT / "docs" / "cli.md").read_text("utf-8")
    told = (FOLDER / "README.md").read_text("utf-8")
    for code, word in ((1, "failed"), (2, "invalid usage"), (3, "not"), (4, "privacy gate")):
        (row,) = [line for line in page.splitlines() if line.startswith(f"| {code} |")]
        assert word in row
        assert word in told
