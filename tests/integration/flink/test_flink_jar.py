"""Flink without a job server of its own: everything in one jar, Python workers where Flink runs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.conftest import CACHE
from tests.docs.test_tutorials import follow, reads
from tests.integration.runs import command, expected, messages, stored
from tests.integration.services.flink import SHIM, job_server_jar, running_cluster

FILES, EACH = 4, 5_000


def run(folder: Path, *beam_words: str) -> dict[str, int]:
    """Read all files to their end on Flink, and return the account."""
    (folder / "in").mkdir()
    for number in range(FILES):
        lines = messages(number * EACH, (number + 1) * EACH)
        (folder / "in" / f"{number}.ndjson").write_bytes(lines)
    words = command(folder, "--once", "--runner", "FlinkRunner", "--workers", "2", "--")
    jar = [f"--flink_job_server_jar={job_server_jar(CACHE)}", "--flink_version=1.19"]
    done = subprocess.run(
        [*words, *jar, *beam_words], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    account: dict[str, int] = json.loads(done.stdout)
    return account


def test_a_run_to_the_end_needs_a_stock_cluster_and_one_jar(tmp_path: Path) -> None:
    """The jar goes through Flink's REST interface; TaskManagers start the workers (PROCESS)."""
    with running_cluster(CACHE, tmp_path / "cluster", stock=True) as cluster:
        account = run(
            tmp_path,
            "--flink_submit_uber_jar",
            f"--flink_master=localhost:{cluster.rest_port}",
            "--environment_type=PROCESS",
            f'--environment_config={{"command": "{SHIM}"}}',
        )
        assert cluster.alive() == []
    assert account["read"] == FILES * EACH
    assert account["files"] > 0
    assert stored(tmp_path) == expected(range(FILES * EACH))


def test_without_a_cluster_flink_runs_beside_the_command(tmp_path: Path) -> None:
    """Flink inside the job server that Beam starts, the Python worker inside the command."""
    told = follow("flink.md", tmp_path, FLINK_JAR=str(job_server_jar(CACHE)))
    assert reads(told) == [2000, 500, 0]
    assert "2,500" in told[-1]
