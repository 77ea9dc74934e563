"""`telemetry run` as a process: stopped by signals, and in front of everything that is broken."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.rules.sources import ROOT
from tests.waiting import wait_for

NOW = "2026-11-24T12:00:00Z"
EVENTS = 2_000
CANARY = b"canary.person+7421@example.com"


def telemetry(*words: str) -> list[str]:
    return [sys.executable, "-m", "pipeline.cli", *words]


class Bench:
    """An input file, a lake and a state folder, and the run that joins them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.input, self.lake, self.state = folder / "in.ndjson", folder / "lake", folder / "state"
        generate = telemetry("generate", "--event", "api_request", "--events", str(EVENTS))
        subprocess.run(
            [*generate, "--awkward", "0.05", "--out", str(self.input), "--now", NOW],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )

    def words(self, *more: str) -> list[str]:
        places = ["--lake", str(self.lake), "--state", str(self.state), "--now", NOW]
        event = ["--input", str(self.input), "--event", "api_request"]
        return telemetry("run", *event, *places, "--json", *more)

    def run(self, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(*more), cwd=ROOT, capture_output=True, text=True, check=False
        )

    def once(self, *more: str) -> dict[str, Any]:
        done = self.run("--once", *more)
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def fails(self, *more: str) -> tuple[int, dict[str, str]]:
        """Run once, which has to fail; return exit code and error. Nothing may be visible."""
        done = self.run("--once", *more)
        assert done.stdout == ""
        assert CANARY.decode() not in done.stderr
        last = done.stderr.strip().splitlines()[-1]
        error: dict[str, str] = json.loads(last)["error"]
        assert error["next"], error
        return done.returncode, error

    def rows(self) -> int:
        """Rows that any reader of the folder sees."""
        import pyarrow.parquet as pq

        files = (self.lake / "events" / "api_request").glob("event_date=*/*.parquet")
        return sum(pq.ParquetFile(file).metadata.num_rows for file in files)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@contextmanager
def started(words: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive its test."""
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_signal_flushes_commits_and_ends_cleanly(
    bench: Bench, number: signal.Signals, code: int, workers: str
) -> None:
    words = bench.words("--workers", workers, "--flush-interval", "500ms")
    with started(words) as process:
        wait_for(lambda: bench.rows() > 0, "the first commit")
        first = bench.rows()
        sound = bench.input.read_bytes().splitlines(keepends=True)[0]
        with bench.input.open("ab") as stream:
            stream.write(sound)
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    account = json.loads(out)
    assert account["written"] == first + 1 == bench.rows()
    assert bench.once()["read"] == 0


def test_metrics_are_served_on_loopback_while_it_runs(bench: Bench) -> None:
    port = 18_231 + os.getpid() % 1_000
    words = bench.words("--metrics-port", str(port), "--flush-interval", "500ms")
    with started(words) as process:
        wait_for(lambda: bench.rows() > 0, "the first commit")

        def page() -> str:
            url = f"http://127.0.0.1:{port}/metrics"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())

        wait_for(lambda: "telemetry_written_total{" in page(), "the counters")
        text = page()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    assert "telemetry_rejected_total{" in text
    assert "acct_" not in text
    assert CANARY.decode() not in text


def test_two_workers_share_a_folder_and_count_together(bench: Bench) -> None:
    written = bench.input.read_bytes()
    for number in range(3):
        # Files of one content are one file; these differ from their first line on.
        other = written.replace(b'"event_id":"', b'"event_id":"%d' % number)
        (bench.folder / f"more-{number}.ndjson").write_bytes(other)
    inputs = [str(path) for path in sorted(bench.folder.glob("more-*.ndjson"))]
    account = bench.once("--workers", "2", *inputs)
    assert account["read"] == 4 * EVENTS
    assert account["written"] == bench.rows()


def test_an_unwritable_lake_is_told(bench: Bench) -> None:
    bench.lake.write_text("a file stands here")
    code, error = bench.fails()
    assert code == 3
    assert error["code"] == "environment"
    assert str(bench.lake) in error["where"]


def test_binary_input_is_rejected_line_by_line(bench: Bench) -> None:
    binary = b"\x00\xff\xfe\x80" * 5_000 + b"\n" + bytes(range(1, 256)) * 20 + b"\n"
    sound = bench.input.read_bytes().splitlines(keepends=True)[0]
    bench.input.write_bytes(sound + binary)
    account = bench.once()
    assert account["written"] == 1
    assert account["read"] - 1 == sum(account["rejected"].values()) > 0


def test_a_first_run_over_binary_input_commits_nothing(bench: Bench) -> None:
    bench.input.write_bytes(b"\x00\xff\xfe\x80" * 5_000 + b"\n")
    code, error = bench.fails()
    assert (code, error["code"]) == (3, "nothing-accepted")
    assert not list((bench.lake / "events").glob("*/event_date=*"))


def test_an_input_that_shrank_is_an_error(bench: Bench) -> None:
    bench.once()
    os.truncate(bench.input, bench.input.stat().st_size // 2)
    code, error = bench.fails()
    assert (code, error["code"]) == (1, "source")
    assert str(bench.input) in error["where"]


def test_a_missing_key_closes_the_gate_and_restoring_it_opens_it_again(bench: Bench) -> None:
    bench.once()
    rows = bench.rows()
    (key,) = (bench.state / "keys").glob("epoch-*.key")
    sound = bench.input.read_bytes().splitlines(keepends=True)[0]
    with bench.input.open("ab") as stream:
        stream.write(sound)
    saved = key.read_bytes()
    key.unlink()
    code, error = bench.fails()
    assert (code, error["code"]) == (4, "key-unavailable")
    assert bench.rows() == rows
    key.touch(mode=0o600)
    key.write_bytes(saved)
    assert bench.once()["written"] == 1


def test_a_key_that_others_may_read_closes_the_gate(bench: Bench) -> None:
    bench.once()
    for key in (bench.state / "keys").glob("*.key"):
        key.chmod(0o644)
    assert bench.fails()[0] == 4


def test_an_opt_out_list_that_has_gone_closes_the_gate(bench: Bench) -> None:
    words = telemetry("optout", "add", "acct_1", "--state", str(bench.state), "--now", NOW)
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    (bench.state / "optout.ndjson").unlink()
    code, error = bench.fails()
    assert (code, error["code"]) == (4, "opt-out-stale")
    assert bench.rows() == 0


def test_a_country_database_that_is_set_and_missing_is_told(bench: Bench) -> None:
    settings = bench.folder / "telemetry.toml"
    settings.write_text('[geo]\ndatabase = "none.mmdb"\n')
    code, error = bench.fails("--config", str(settings))
    assert (code, error["code"]) == (3, "environment")
    assert error["where"] == str(bench.folder / "none.mmdb")


@pytest.mark.parametrize(
    ("text", "where"),
    [("[privacy]\nipv4_bits = 25\n", "privacy.ipv4_bits"), ("[privcy]\n", "[privcy]")],
)
def test_a_setting_that_is_off_is_told(bench: Bench, text: str, where: str) -> None:
    settings = bench.folder / "telemetry.toml"
    settings.write_text(text)
    code, error = bench.fails("--config", str(settings))
    assert (code, error["code"]) == (3, "settings")
    assert where in error["where"]


def test_a_schema_with_an_unknown_key_is_told(bench: Bench) -> None:
    schemas = bench.folder / "schemas"
    shutil.copytree(ROOT / "schemas" / "api_request", schemas / "api_request")
    file = schemas / "api_request" / "v1.yaml"
    file.write_text(file.read_text().replace("    treatment: keep\n", "    treatmant: keep\n", 1))
    settings = bench.folder / "telemetry.toml"
    settings.write_text('[schemas]\ndirectory = "schemas"\n')
    code, error = bench.fails("--config", str(settings))
    assert (code, error["code"]) == (3, "schema")
    assert "api_request/v1.yaml" in error["where"]


def test_a_port_that_is_taken_is_told(bench: Bench) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, error = bench.fails("--metrics-port", str(taken.getsockname()[1]))
    assert code == 3
    assert "--metrics-port" in error["next"]


FULL_DISK = """
set -eu
mount -t tmpfs -o size=300k tmpfs "$LAKE"
set +e
"$@" >"$LOGS/first.out" 2>"$LOGS/first.err"
echo $? >"$LOGS/first.code"
find "$LAKE" -name '*.parquet' -not -name '.*' -path '*event_date*' | wc -l >"$LOGS/first.files"
mount -o remount,size=200m "$LAKE"
"$@" >"$LOGS/second.out" 2>"$LOGS/second.err"
echo $? >"$LOGS/second.code"
"""


def test_a_full_disk_is_told_and_nothing_is_lost(bench: Bench) -> None:
    """The lake is a file system of 300 kB, in a mount namespace of its own, that grows later."""
    generate = telemetry("generate", "--event", "api_request", "--events", "60000")
    subprocess.run(
        [*generate, "--out", str(bench.input), "--now", NOW, "--days", "5"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    bench.lake.mkdir()
    logs = bench.folder / "logs"
    logs.mkdir()
    unshare = ["unshare", "--mount", "--user", "--map-root-user"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let its users mount; kernel.unprivileged_userns_clone=1")
    subprocess.run(
        [*unshare, "bash", "-c", FULL_DISK, "bash", *bench.words("--once")],
        cwd=ROOT,
        env={**os.environ, "LAKE": str(bench.lake), "LOGS": str(logs)},
        check=True,
    )
    said = {path.name: path.read_text().strip() for path in logs.iterdir()}
    error = json.loads(said["first.err"].splitlines()[-1])["error"]
    assert said["first.code"] == "3"
    assert "space" in error["why"]
    assert said["first.files"] == "0"
    assert said["second.code"] == "0", said["second.err"]
    account = json.loads(said["second.out"])
    assert account["read"] == 60_000


def test_standard_input_is_read_to_its_end_and_never_taken_for_a_known_source(
    bench: Bench,
) -> None:
    sound = bench.input.read_bytes().splitlines(keepends=True)[:1] * 3
    words = bench.words()
    words[words.index("--input") + 1] = "-"

    def piped(data: bytes, *more: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*words, *more], input=data, capture_output=True, check=False)

    junk = piped(b"junk\n")
    assert (junk.returncode, b"nothing-accepted" in junk.stderr) == (3, True)
    for count in (1, 2):
        done = piped(b"".join(sound).rstrip(b"\n"))
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["written"] == len(sound)
        assert bench.rows() == count * len(sound)
    assert piped(b"", "--workers", "2").returncode == 2
