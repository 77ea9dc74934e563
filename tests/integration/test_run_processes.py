"""Workers under a supervisor: shared out, restarted, stopped, and never left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.runs import (
    children_of,
    command,
    commits_of,
    expected,
    globbed,
    messages,
    stored,
)
from tests.waiting import wait_for

COUNT = 60_000

pytestmark = pytest.mark.slow


@contextmanager
def running(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command(folder, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files, 60,000 messages each."""
    (tmp_path / "in").mkdir()
    for index in range(2):
        content = messages(index * COUNT, (index + 1) * COUNT)
        (tmp_path / "in" / f"{index}.ndjson").write_bytes(content)
    return tmp_path


ALL = expected(range(2 * COUNT))


def finish(process: subprocess.Popen[str], seconds: float = 60.0) -> tuple[int, dict[str, object]]:
    out, err = process.communicate(timeout=seconds)
    assert out, err
    summary = json.loads(out)
    assert isinstance(summary, dict)
    return process.returncode, summary


def test_two_workers_share_two_files_and_are_counted_together(folder: Path) -> None:
    with running(folder, "--once", "--workers", "2") as process:
        code, summary = finish(process)
    assert code == 0
    assert summary["read"] == 2 * COUNT
    assert summary["written"] == ALL.rows
    assert summary["rejected"] == {"not_json": ALL.refused}
    assert summary["conflicts"] == 0
    assert stored(folder) == ALL


def small_slices(folder: Path) -> tuple[str, ...]:
    """Settings that make a run of many commits."""
    path = folder / "telemetry.toml"
    path.write_text('[flush]\nbytes = "1MiB"\ninterval = "100ms"\n')
    return ("--config", str(path))


def test_a_killed_worker_is_started_again(folder: Path) -> None:
    with running(folder, "--once", "--workers", "2", *small_slices(folder)) as process:
        wait_for(lambda: commits_of(folder) > 2)
        os.kill(children_of(process.pid)[0], signal.SIGKILL)
        code, summary = finish(process)
    assert (code, summary["restarts"]) == (0, 1)
    assert stored(folder) == ALL
    assert globbed(folder) == ALL.rows


def test_workers_end_when_their_supervisor_is_killed(folder: Path) -> None:
    with running(folder, "--workers", "2") as process:
        wait_for(lambda: commits_of(folder) > 1)
        workers = children_of(process.pid)
        process.kill()
        process.wait()
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), seconds=30)
    with running(folder, "--once") as process:
        assert finish(process)[0] == 0
    assert stored(folder) == ALL
    assert globbed(folder) == ALL.rows


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_signal_stops_a_run_that_follows_its_input(
    folder: Path, number: int, code: int, workers: str
) -> None:
    with running(folder, "--workers", workers, "--flush-interval", "10m") as process:
        wait_for(lambda: commits_of(folder) >= 3)
        with (folder / "in" / "0.ndjson").open("ab") as file:
            file.write(messages(2 * COUNT, 2 * COUNT + 100))  # not due for ten minutes
        process.send_signal(number)
        assert finish(process)[0] == code
    assert stored(folder) == expected(range(2 * COUNT + 100))


def test_an_error_that_no_restart_heals_ends_all_workers(folder: Path) -> None:
    keys = folder / "state" / "keys"
    with running(folder, "--once") as process:
        finish(process)
    (folder / "in" / "2.ndjson").write_bytes(messages(0, 10))
    for key in keys.glob("*week*"):
        key.unlink()
    with running(folder, "--workers", "2") as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    assert "key-unavailable" in out + err


def test_each_process_serves_its_metrics(folder: Path, unused_port: int) -> None:
    words = ("--workers", "2", "--metrics-port", str(unused_port))
    with running(folder, *words) as process:
        wait_for(lambda: commits_of(folder) >= 3)
        pages = [page(unused_port + index) for index in range(3)]
        process.send_signal(signal.SIGTERM)
        assert finish(process)[0] == 0
    assert "telemetry_worker_restarts_total 0.0" in pages[0]
    assert any('telemetry_written_total{event="api_request"}' in text for text in pages[1:])
    assert any(
        'telemetry_rejected_total{event="api_request",reason="not_json",stage="decode"}' in text
        for text in pages[1:]
    )


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read(), "utf-8")


@pytest.fixture
def unused_port() -> int:
    """A port, and two after it, that nobody uses at the moment."""
    import socket

    for port in range(20_000 + os.getpid() % 10_000, 60_000, 3):
        try:
            for offset in range(3):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        return port
    raise AssertionError("no free ports")


WITHOUT_EXTRAS = """
import importlib.machinery, runpy, sys
found = importlib.machinery.PathFinder.find_spec
def find_spec(name, path=None, target=None):
    return None if name.split(".")[0] in {extras} else found(name, path, target)
importlib.machinery.PathFinder.find_spec = staticmethod(find_spec)
sys.argv = ["telemetry", *sys.argv[1:]]
runpy.run_module("pipeline.cli", run_name="__main__")
"""


def test_a_run_needs_nothing_that_only_developers_install(folder: Path) -> None:
    extras = ("pandas", "polars", "psutil", "hypothesis", "pytest", "confluent_kafka", "playwright")
    (folder / "in" / "1.ndjson").unlink()
    words = command(folder, "--once")
    script = WITHOUT_EXTRAS.replace("{extras}", repr(set(extras)))
    done = subprocess.run(
        [words[0], "-c", script, *words[3:]], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["read"] == COUNT
