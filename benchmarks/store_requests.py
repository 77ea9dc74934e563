"""How many requests a commit makes at an object store: what they cost does not depend on events.

One writer stores a file in many small slices at a real S3-compatible server on this machine,
whose access log is counted. Stores charge writing and listing alike, and reading a tenth of it.
"""

import os
import subprocess
from collections import Counter
from pathlib import Path

from benchmarks.harness import Report, telemetry, workplace
from benchmarks.inputs import api_requests
from tests.integration.services import s3
from tests.integration.services.ports import free_port, wait_for_port

ACCESS, SECRET = "benchmark", "benchmark-secret"
FEW = 100_000
"""Requests go by commits, and 100 commits say enough."""
READING = ("GetObject", "HeadObject")
SETTINGS = """
[lake]
path = "s3://lake/telemetry"
[lake.storage]
AWS_ENDPOINT_URL = "http://127.0.0.1:{port}"
AWS_ALLOW_HTTP = "true"
AWS_REGION = "us-east-1"
AWS_ACCESS_KEY_ID = "{access}"
AWS_SECRET_ACCESS_KEY = "env:BENCHMARK_SECRET"
conditional_put = "etag"
[state]
path = "{place}/state"
[flush]
interval = "100ms"
bytes = "1MiB"
[sources.api]
event = "api_request"
files = ["{source}"]
"""


def run(events: int, times: int) -> Report:
    """Count the requests of one run; nothing is timed, so once is enough."""
    del times
    if lack := s3.missing():
        return Report("Requests to a store", f"Not measured: {lack}.", {})
    with workplace() as place:
        source = api_requests(place, min(events, FEW))
        counts, commits = _count(place, source)
    each = {name: number / commits for name, number in counts.most_common()}
    reading = sum(number for name, number in each.items() if name in READING)
    writing = sum(each.values()) - reading
    rows = "\n".join(f"| {name} | {number:.1f} |" for name, number in each.items())
    text = (
        f"{commits} commits by one writer: {writing:.1f} writing or listing requests each, "
        f"{reading:.1f} reading ones.\n\n| request | for each commit |\n| --- | ---: |\n{rows}"
    )
    values: dict[str, object] = {"commits": commits, "writing": writing, "reading": reading}
    return Report("Requests to a store", text, values)


def _count(place: Path, source: Path) -> tuple[Counter[str], int]:
    """Requests by kind, and commits, of a run that ends when the file does."""
    port, data, log = free_port(), place / "data", place / "access.log"
    (data / "lake").mkdir(parents=True)
    words = ["--port", f"127.0.0.1:{port}", "--quiet", "--access-log", str(log), "posix", str(data)]
    settings = place / "telemetry.toml"
    settings.write_text(
        SETTINGS.format(port=port, access=ACCESS, place=place, source=source), "utf-8"
    )
    # The secrets are the gateway's own, made up here; its settings take them from nowhere else.
    keys = {"ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET}
    gateway = subprocess.Popen(
        [str(s3.binary()), *words], env=keys, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_port(port, gateway)
        command = telemetry("run", "--once", "--backfill", "--config", str(settings))
        subprocess.run(
            command,
            env={**os.environ, "BENCHMARK_SECRET": SECRET},
            check=True,
            capture_output=True,
        )
        lines = log.read_text().splitlines()
    finally:
        gateway.kill()
        gateway.wait()
    kinds = Counter(part[7].removeprefix("s3_") for line in lines if len(part := line.split()) > 7)
    log_folder = data / "lake" / "telemetry" / "events" / "api_request" / "_delta_log"
    return kinds, len(list(log_folder.glob("*.json")))
