"""An hour of a run that follows its input while its workers are killed: does anything grow?

    python -m benchmarks.soak [--minutes 60] [--rate 500] [--kill-seconds 60] [--out FILE.json]

A producer appends events to tailed files at a steady rate; a worker is killed (SIGKILL) every so
often. Sampled every five seconds: resident memory, open files and threads of the whole tree, files
and bytes of the log, how long it takes to load, which every commit begins with, and how long
slices took from their cut to their commit, as the workers' metrics say. At the end everything that
was produced has to be in the lake once, for the log and for DuckDB, which knows nothing of it; the
figures of the first and the last third of the time are compared. `benchmarks.soak_plot` draws them.
"""

import argparse
import itertools
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import deltalake
import duckdb
import psutil
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.harness import telemetry, workplace
from benchmarks.inputs import api_requests

SAMPLE_SECONDS = 5.0
FILES, WORKERS = 4, 2
SERIES = ("rss_mib", "descriptors", "threads", "log_files", "log_kib", "load_ms", "slice_ms")


class Slices:
    """How long the slices took that workers have committed since the last look."""

    def __init__(self, port: int) -> None:
        self._ports = [port + 1 + index for index in range(WORKERS)]
        self._before = dict.fromkeys(self._ports, (0.0, 0.0))

    def milliseconds(self) -> float:
        """The mean of them; 0 if there was none."""
        seconds = count = 0.0
        for port in self._ports:
            now, before = self._told(port), self._before[port]
            if now[1] < before[1]:
                before = (0.0, 0.0)  # another worker, which counts from 0
            seconds, count = seconds + now[0] - before[0], count + now[1] - before[1]
            self._before[port] = now
        return 1000 * seconds / count if count else 0.0

    def _told(self, port: int) -> tuple[float, float]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
                text = answer.read().decode()
        except OSError:
            return 0.0, 0.0
        found = {"telemetry_slice_seconds_sum": 0.0, "telemetry_slice_seconds_count": 0.0}
        for family in text_string_to_metric_families(text):
            for one in family.samples:
                if one.name in found:
                    found[one.name] += one.value
        seconds, count = found.values()
        return seconds, count


def tree_of(pid: int) -> list[psutil.Process]:
    """A process and all that it has started."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def sample(pid: int, log: Path, began: float, load_ms: float, slice_ms: float) -> dict[str, float]:
    """What the tree of processes and the log hold now."""
    rss = descriptors = threads = 0
    for process in tree_of(pid):
        try:
            rss += process.memory_info().rss
            descriptors += process.num_fds()
            threads += process.num_threads()
        except psutil.Error:
            continue
    sizes = []
    if log.exists():
        for path in log.iterdir():
            try:
                sizes.append(path.stat().st_size)
            except FileNotFoundError:
                continue
    return {
        "seconds": round(time.monotonic() - began, 1),
        "rss_mib": round(rss / 2**20, 1),
        "descriptors": descriptors,
        "threads": threads,
        "log_files": len(sizes),
        "log_kib": round(sum(sizes) / 1024, 1),
        "load_ms": round(load_ms, 1),
        "slice_ms": round(slice_ms, 1),
    }


def timed_load(table: Path) -> float:
    """How long a look at the table's log takes, in milliseconds: every commit begins with one."""
    began = time.perf_counter()
    try:
        deltalake.DeltaTable(str(table))
    except deltalake.exceptions.DeltaError:
        return 0.0
    return (time.perf_counter() - began) * 1000


def feed(source: Path, folder: Path, rate: int, stopping: threading.Event) -> int:
    """Append the events of a file to those that are followed, until told to stop; return how many.

    A minute's worth at most is in memory.
    """
    files = [(folder / f"{number}.ndjson").open("ab", buffering=0) for number in range(FILES)]
    began, sent = time.monotonic(), 0
    with source.open("rb") as lines:
        while not stopping.wait(0.2):
            due = int((time.monotonic() - began) * rate) - sent
            new = list(itertools.islice(lines, min(due, 60 * rate)))
            for number in range(FILES):
                files[number].write(b"".join(new[number::FILES]))
            sent += len(new)
    for file in files:
        file.close()
    return sent


def soak(place: Path, minutes: float, rate: int, kill_seconds: float) -> dict[str, object]:
    """Run, kill, sample, and account for everything."""
    seconds = minutes * 60
    source = api_requests(place, int(seconds * rate) + rate)
    (place / "in").mkdir()
    table = place / "lake" / "events" / "api_request"
    words = ["--input", str(place / "in"), "--event", "api_request"]
    words += ["--lake", str(place / "lake"), "--state", str(place / "state")]
    port = free_port()
    slices = Slices(port)
    command = telemetry("run", *words, "--workers", str(WORKERS), "--flush-interval", "1s")
    command += ["--backfill", "--metrics-port", str(port)]
    stopping, produced, chance = threading.Event(), [0], random.Random(5)
    feeder = threading.Thread(
        target=lambda: produced.__setitem__(0, feed(source, place / "in", rate, stopping))
    )
    (place / "in" / "0.ndjson").touch()
    with (place / "run.log").open("w") as log:
        run = subprocess.Popen(command, stdout=log, stderr=log)
    began, samples, kills, killed_at = time.monotonic(), [], 0, time.monotonic()
    feeder.start()
    while time.monotonic() - began < seconds and run.poll() is None:
        time.sleep(SAMPLE_SECONDS)
        loaded, taken = timed_load(table), slices.milliseconds()
        samples.append(sample(run.pid, table / "_delta_log", began, loaded, taken))
        if time.monotonic() - killed_at > kill_seconds:
            workers = tree_of(run.pid)[1:]
            if workers:
                os.kill(chance.choice(workers).pid, signal.SIGKILL)
                kills, killed_at = kills + 1, time.monotonic()
    stopping.set()
    feeder.join()
    died = run.poll() is not None
    run.send_signal(signal.SIGTERM)
    run.wait()
    subprocess.run([*telemetry("run", *words, "--once", "--backfill")], check=True)
    rows, tokens, others = counted(table)
    accounts = [entry.get("telemetry", {}) for entry in deltalake.DeltaTable(str(table)).history()]
    read = sum(account.get("read", 0) for account in accounts)
    last = (place / "run.log").read_text("utf-8").splitlines()[-12:] if died else []
    return {
        "minutes": minutes,
        "rate": rate,
        "kills": kills,
        "ended_by_itself": died,
        "produced": produced[0],
        "stored": rows,
        "stored_by_duckdb": others,
        "doubled": rows - tokens + abs(others - rows) + max(0, read - produced[0]),
        "dropped_or_rejected": read - sum(account.get("written", 0) for account in accounts),
        "lost": produced[0] - read,
        "last_words": last,
        "trend": trend(samples),
        "samples": samples,
    }


def trend(samples: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """The median of each series in the first and in the last third, from the first commit on."""
    samples = [one for one in samples if one["log_files"]]
    third = max(1, len(samples) // 3)
    return {
        name: {
            "first": round(statistics.median(one[name] for one in samples[:third]), 1),
            "last": round(statistics.median(one[name] for one in samples[-third:]), 1),
        }
        for name in SERIES
        if samples
    }


def counted(table: Path) -> tuple[int, int, int]:
    """Rows of the files that the log names, their distinct tokens, and rows of all the files."""
    named = [str(table / path) for path in deltalake.DeltaTable(str(table)).file_uris()]
    with duckdb.connect() as base:
        what = "SELECT count(*), count(DISTINCT event_token) FROM read_parquet(?)"
        (rows, tokens), *_ = base.execute(what, [named]).fetchall()
        (others, _), *_ = base.execute(what, [f"{table}/event_date=*/*.parquet"]).fetchall()
    return rows, tokens, others


def free_port() -> int:
    """A port that is free, and so are probably the next ones."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def main() -> int:
    """Soak, print the trend, write everything."""
    parser = argparse.ArgumentParser(description="Look for what grows under kills.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=500, help="events a second")
    parser.add_argument("--kill-seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path, help="write all samples to this JSON file")
    given = parser.parse_args()
    with workplace() as place:
        found = soak(place, given.minutes, given.rate, given.kill_seconds)
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(json.dumps({name: value for name, value in found.items() if name != "samples"}, indent=1))
    return 1 if found["lost"] or found["doubled"] or found["ended_by_itself"] else 0


if __name__ == "__main__":
    sys.exit(main())
