"""`telemetry run` into a bucket: killed, cut off from the store, and with secrets by reference."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.io.lake.lake import Lake
from pipeline.io.lake.table import StoredTable
from tests.integration.runs import EVENT, NOW, Stored, expected, messages
from tests.integration.services import s3, s3_api
from tests.integration.test_lake_kill import KILLED, ROOT
from tests.unit.io.lakes import an_hour_later
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(s3.missing() is not None, reason=s3.missing() or ""),
]
COUNT = 100_000
SETTINGS = """
[lake]
path = "{url}"

[lake.storage]
AWS_ENDPOINT_URL = "{endpoint}"
AWS_ALLOW_HTTP = "true"
AWS_REGION = "us-east-1"
AWS_ACCESS_KEY_ID = "testing"
AWS_SECRET_ACCESS_KEY = "env:LAKE_SECRET"
conditional_put = "etag"

[state]
path = "{state}"

[privacy]
public_ranges = ["198.18.0.0/15"]

[flush]
bytes = "1MiB"
interval = "1s"

[sources.requests]
event = "{event}"
files = ["{input}"]
"""


@dataclass
class Bench:
    """A gateway, an input folder, and settings that join them."""

    gateway: s3.Gateway
    folder: Path

    def __post_init__(self) -> None:
        (self.folder / "in").mkdir()
        (self.folder / "in" / "app.ndjson").write_bytes(messages(0, COUNT))
        text = SETTINGS.format(
            url=self.gateway.bucket.url,
            endpoint=self.gateway.bucket.options["AWS_ENDPOINT_URL"],
            state=self.folder / "state",
            event=EVENT,
            input=self.folder / "in",
        )
        (self.folder / "telemetry.toml").write_text(text)

    @property
    def secret(self) -> str:
        return self.gateway.bucket.options["AWS_SECRET_ACCESS_KEY"]

    def start(self) -> subprocess.Popen[str]:
        """Begin a run to the end of the input."""
        command = [sys.executable, "-m", "pipeline.cli", "run", "--once", "--json"]
        return subprocess.Popen(
            [*command, "--config", str(self.folder / "telemetry.toml"), "--now", NOW.isoformat()],
            cwd=ROOT,
            env={**os.environ, "LAKE_SECRET": self.secret},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """Wait for a run; its exit code and everything that it said, in which no secret is."""
        out, err = process.communicate(timeout=240)
        assert self.secret not in out + err
        return process.returncode, out + err

    @property
    def commits(self) -> int:
        """How many commits the event's table has."""
        log = self.gateway.bucket.folder / "telemetry" / "events" / EVENT / "_delta_log"
        return len(list(log.glob("*.json")))

    def wait_for_commits(self, process: subprocess.Popen[str]) -> None:
        """Wait until a run is in the middle of its work."""
        before = self.commits
        wait_for(lambda: self.commits > before + 2 or process.poll() is not None)
        assert process.poll() is None, self.finish(process)

    def stored(self) -> Stored:
        """What the logs name; as `runs.stored` for local lakes."""
        lake = Lake(self.gateway.bucket.url, self.gateway.bucket.options)
        tokens = _column(lake.stored(EVENT), "event_token")
        places = _column(lake.rejections(), "offset")
        return Stored(len(tokens), len(set(tokens)), len(places), len(set(places)))

    def check_everything_is_there_once(self) -> None:
        """Each message is stored or rejected once, and an hour later nothing else is there."""
        assert self.stored() == expected(range(COUNT))
        lake = Lake(self.gateway.bucket.url, self.gateway.bucket.options)
        with an_hour_later():
            lake.recover()
        named = len(lake.stored(EVENT).snapshot().files) + len(lake.rejections().snapshot().files)
        kept = s3_api.versions(self.gateway.bucket)
        assert len([one for one in kept if "_date=" in one.key]) == named

    def check_the_secret_is_nowhere(self) -> None:
        """Neither in the state folder nor in the lake."""
        for root in (self.folder / "state", self.gateway.bucket.folder):
            for path in root.rglob("*"):
                assert not path.is_file() or self.secret.encode() not in path.read_bytes()


def _column(table: StoredTable, name: str) -> list[object]:
    found: list[object] = []
    for file in table.snapshot().files:
        found += table.storage.read(file.path, [name])[name].to_pylist()
    return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with s3.gateway(tmp_path) as gateway:
        yield Bench(gateway, tmp_path)


def test_a_run_that_is_killed_again_and_again_stores_each_event_once(bench: Bench) -> None:
    kills = 0
    for _ in range(3):
        process = bench.start()
        # Some commits into its work, wherever that is.
        bench.wait_for_commits(process)
        process.send_signal(signal.SIGKILL)
        code, _ = bench.finish(process)
        kills += code == KILLED
    assert kills == 3
    code, said = bench.finish(bench.start())
    assert code == 0, said
    bench.check_everything_is_there_once()
    bench.check_the_secret_is_nowhere()


def test_a_store_that_goes_away_for_five_seconds_costs_no_event(bench: Bench) -> None:
    process = bench.start()
    bench.wait_for_commits(process)
    bench.gateway.kill()
    time.sleep(5)
    committed = bench.commits
    bench.gateway.start()
    code, said = bench.finish(process)
    # The client of the store waits and tries again; nobody has to start anything.
    assert code == 0, said
    assert bench.commits > committed
    bench.check_everything_is_there_once()


def test_a_store_that_stays_away_ends_the_run_and_the_next_one_goes_on(bench: Bench) -> None:
    settings = bench.folder / "telemetry.toml"
    text = settings.read_text()
    impatient = 'conditional_put = "etag"\nmax_retries = "2"\nretry_timeout = "3s"'
    settings.write_text(text.replace('conditional_put = "etag"', impatient))
    process = bench.start()
    bench.wait_for_commits(process)
    bench.gateway.kill()
    code, said = bench.finish(process)
    assert code == 1
    error = json.loads(said.strip().splitlines()[-1])["error"]
    assert error["next"]
    bench.gateway.start()
    settings.write_text(text)
    code, said = bench.finish(bench.start())
    assert code == 0, said
    bench.check_everything_is_there_once()
