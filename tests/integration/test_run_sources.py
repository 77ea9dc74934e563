"""Real runs over files that move, are copied, compressed, truncated and rewritten.

The lake's rows are what was written, each once, or the run says that it cannot tell.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import deltalake
import pytest

from tests.integration.mounts import CannotMount, mounted
from tests.waiting import wait_for


class Bench:
    """A folder of inputs, a lake and a state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.input = folder / "in"
        self.input.mkdir()

    def command(self, *more: str, inputs: Sequence[Path] = ()) -> list[str]:
        places = ["--lake", str(self.folder / "lake"), "--state", str(self.folder / "state")]
        named = [word for path in inputs or [self.input] for word in ("--input", str(path))]
        words = ["run", *named, "--event", "api_request", *places, "--json", *more]
        return [sys.executable, "-m", "pipeline.cli", *words]

    def once(self, *inputs: Path, expect: int = 0) -> dict[str, Any]:
        command = self.command("--once", inputs=inputs)
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == expect, done.stderr[-3000:]
        lines = (done.stdout if expect == 0 else done.stderr).strip().splitlines()
        document: dict[str, Any] = json.loads(lines[-1])
        return {**document, "warnings": done.stderr}

    @contextmanager
    def tailing(self, *more: str) -> Iterator[subprocess.Popen[bytes]]:
        log = (self.folder / "run.log").open("wb")
        command = self.command("--flush-interval", "1s", *more)
        with log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                yield process
            finally:
                process.terminate()
                process.wait(120)

    @property
    def rows(self) -> int:
        path = self.folder / "lake" / "events" / "api_request"
        if not (path / "_delta_log").is_dir():
            return 0
        return deltalake.DeltaTable(str(path)).to_pyarrow_dataset().count_rows()

    def tokens(self) -> int:
        path = self.folder / "lake" / "events" / "api_request"
        table = deltalake.DeltaTable(str(path)).to_pyarrow_dataset().to_table(["event_token"])
        return len(table.column("event_token").unique())


def events(first: int, stop: int) -> bytes:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return b"".join(
        json.dumps(
            {
                "event": "api_request",
                "version": 1,
                "event_id": f"e-{n:08d}",
                "occurred_at": now,
                "status": 200,
            }
        ).encode()
        + b"\n"
        for n in range(first, stop)
    )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_logrotate_with_compress_in_a_tailed_folder(bench: Bench, workers: str) -> None:
    live = bench.input / "app.log"
    live.write_bytes(events(0, 100))
    with bench.tailing("--workers", workers) as process:
        wait_for(lambda: bench.rows == 100)
        append(live, events(100, 130))
        live.rename(bench.input / "app.log.1")
        live.write_bytes(events(130, 150))
        wait_for(lambda: bench.rows == 150)
        subprocess.run(["gzip", str(bench.input / "app.log.1")], check=True)
        append(live, events(150, 170))
        wait_for(lambda: bench.rows >= 170)
        assert process.poll() is None
    assert bench.once()["read"] == 0
    assert (bench.rows, bench.tokens()) == (170, 170)


def test_copytruncate_with_the_copy_in_the_folder(bench: Bench) -> None:
    live = bench.input / "app.log"
    live.write_bytes(events(0, 100))
    with bench.tailing():
        wait_for(lambda: bench.rows == 100)
        append(live, events(100, 120))
        shutil.copyfile(live, bench.input / "app.log.1")
        os.truncate(live, 0)
        append(live, events(120, 140))
        wait_for(lambda: bench.rows >= 140)
    assert bench.once()["read"] == 0
    assert (bench.rows, bench.tokens()) == (140, 140)


def test_copytruncate_in_place_with_lines_of_equal_length(bench: Bench) -> None:
    live = bench.input / "app.log"
    live.write_bytes(events(0, 1000))
    bench.once()
    with live.open("r+b") as file:
        file.truncate()
        file.write(events(1000, 3000))
    done = bench.once()
    assert done["written"] == 2000
    assert "has other content than before" in done["warnings"]
    assert (bench.rows, bench.tokens()) == (3000, 3000)


def test_a_file_changed_before_its_position_stops_the_run(bench: Bench) -> None:
    live = bench.input / "app.log"
    content = events(0, 2000)
    live.write_bytes(content)
    bench.once()
    live.write_bytes(content[: len(content) // 2] + events(5000, 6500))
    told = bench.once(expect=1)["error"]
    assert told["code"] == "source"
    assert "rewritten" in told["what"]
    assert bench.rows == 2000


def test_a_new_file_in_a_reused_inode_with_an_equal_first_line(bench: Bench) -> None:
    live = bench.input / "app.log"
    content = events(0, 50)
    live.write_bytes(content)
    bench.once()
    with live.open("r+b") as file:
        file.truncate()
        file.write(content.splitlines(keepends=True)[0] + events(100, 200))
    bench.once()
    assert (bench.rows, bench.tokens()) == (151, 150)


def test_a_copied_folder_adds_nothing(bench: Bench) -> None:
    for n in range(3):
        (bench.input / f"{n}.log").write_bytes(events(n * 1000, n * 1000 + 500))
        packed = gzip.compress(events(n * 1000 + 500, n * 1000 + 900))
        (bench.input / f"{n}.log.gz").write_bytes(packed)
    assert bench.once()["written"] == 2700
    copy = bench.folder / "copy"
    subprocess.run(["cp", "-a", str(bench.input), str(copy)], check=True)
    assert bench.once(bench.input, copy)["read"] == 0
    assert bench.once(copy)["read"] == 0
    assert bench.rows == 2700


def test_the_rest_of_a_named_file_is_looked_for_where_it_was_rotated_to(bench: Bench) -> None:
    live = bench.input / "app.log"
    live.write_bytes(events(0, 100))
    bench.once(live)
    append(live, events(100, 600))
    with (bench.input / "app.log.1.gz").open("wb") as packed:
        subprocess.run(["gzip", "-c", str(live)], check=True, stdout=packed)
    live.unlink()
    live.write_bytes(events(600, 650))
    assert bench.once(live)["written"] == 550
    assert (bench.rows, bench.tokens()) == (650, 650)


def test_the_rest_of_a_named_file_that_is_not_found_is_warned_of(bench: Bench) -> None:
    live = bench.input / "app.log"
    live.write_bytes(events(0, 100))
    bench.once(live)
    live.unlink()
    live.write_bytes(events(600, 650))
    done = bench.once(live)
    assert done["written"] == 50
    assert "is not beside it any more" in done["warnings"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount two file systems")
def test_two_files_with_one_inode_on_two_file_systems(bench: Bench) -> None:
    with ExitStack() as stack:
        try:
            mount = partial(mounted, "tmpfs", "-t", "tmpfs", "-o", "size=4m")
            folders = [stack.enter_context(mount()) for _ in range(2)]
        except CannotMount:
            pytest.skip("needs the right to mount a tmpfs")
        for n, folder in enumerate(folders):
            (folder / "app.log").write_bytes(events(n * 1000, n * 1000 + 1000))
        assert len({(folder / "app.log").stat().st_ino for folder in folders}) == 1
        assert bench.once(*folders)["written"] == 2000
    assert (bench.rows, bench.tokens()) == (2000, 2000)


def test_an_archive_cut_inside_a_line_and_grown_later_is_one_event(bench: Bench) -> None:
    content = events(0, 100)
    archive = bench.input / "app.log.gz"
    archive.write_bytes(gzip.compress(content[:-20]))
    assert bench.once()["rejected"] == {}
    append(archive, gzip.compress(content[-20:]))
    done = bench.once()
    assert (done["read"], done["written"], done["rejected"]) == (1, 1, {})
    assert bench.rows == 100


def test_a_machine_whose_clock_is_behind_stops_and_stores_nothing(bench: Bench) -> None:
    (bench.input / "app.log").write_bytes(events(0, 100))
    command = [*bench.command("--once"), "--now", "2026-01-01T00:00:00Z"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stderr.strip().splitlines()[-1])["error"]["code"] == "clock-behind"
    assert bench.rows == 0
    assert bench.once()["written"] == 100


def test_a_producer_whose_clock_is_ahead_is_passed_over_by_a_word(bench: Bench) -> None:
    (bench.input / "app.log").write_bytes(events(0, 100))
    command = [*bench.command("--once", "--clock-is-right"), "--now", "2026-01-01T00:00:00Z"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rejected"] == {"in_future": 100}
    assert bench.once()["read"] == 0


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("gone", ["lake", "lake/events/api_request/_delta_log"])
def test_a_lake_that_is_removed_under_a_run_ends_it_and_no_new_one_is_begun(
    bench: Bench, workers: str, gone: str
) -> None:
    live = bench.input / "app.log"
    live.write_bytes(events(0, 100))
    with bench.tailing("--workers", workers) as process:
        wait_for(lambda: bench.rows == 100)
        (bench.folder / gone).rename(bench.folder / "away")
        append(live, events(100, 200))
        wait_for(lambda: process.poll() is not None)
    told = (bench.folder / "run.log").read_text().strip().splitlines()[-1]
    # Rows are seen before their entry is synced: what goes in that moment was never confirmed.
    assert (json.loads(told)["error"]["code"], process.returncode) in {
        ("table-gone", 3),
        ("outcome-unknown", 1),
    }
    assert bench.once(expect=3)["error"]["code"] == "table-gone"
    assert bench.rows == 0
    shutil.rmtree(bench.folder / gone, ignore_errors=True)
    (bench.folder / "away").rename(bench.folder / gone)
    bench.once()
    assert bench.rows == bench.tokens() == 200
