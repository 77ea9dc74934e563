"""Minutes on an object store that loses answers, refuses, cuts and dawdles, all the time.

Three writers (two of them on one source) are started again whenever an error ends them; a job
merges the files of a day beside them. WEATHER_SECONDS says how long (20).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import TelemetryError
from pipeline.io.lake.lake import Lake
from pipeline.io.parquet.encoding import PartKind
from tests.integration.services.faulty_s3 import LOG_ENTRY, FaultyS3, Rule, faulty_s3
from tests.integration.test_lake_kill import ROOT, rejected
from tests.unit.io.lakes import an_hour_later, app_id, logged, table_of
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.service
SECONDS = float(os.environ.get("WEATHER_SECONDS", "20"))
TOPICS = ("abc", "abc", "def")
FAR = 1_000_000
"""More messages than there is time for."""
WEATHER = (
    Rule("PUT", LOG_ENTRY, "lost", times=-1, chance=0.05),
    Rule("PUT", LOG_ENTRY, "lost_cut", times=-1, chance=0.05),
    Rule("PUT", LOG_ENTRY, "late", times=-1, chance=0.03, seconds=0.3),
    Rule("PUT", "", "503", times=-1, chance=0.03),
    Rule("PUT", "", "cut", times=-1, chance=0.02),
    Rule("GET", "", "503", times=-1, chance=0.02),
    Rule("GET", "", "slow", times=-1, chance=0.02, seconds=0.3),
    Rule("LIST", "", "429", times=-1, chance=0.02),
    Rule("DELETE", "", "500", times=-1, chance=0.05),
)


def writer(s3: FaultyS3, url: str, topic: str, total: int) -> subprocess.Popen[bytes]:
    """Start a process that commits slices up to `total`."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.lake_worker", url, "no-state", topic, str(total)],
        cwd=ROOT,
        env={**os.environ, "LAKE_STORAGE": json.dumps(s3.options), "LAKE_REJECT_EVERY": "47"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def merge(lake: Lake) -> None:
    """Make one file of those of a day, as a seal does."""
    table = table_of(lake)
    for day, files in table.snapshot().by_day().items():
        if len(files) > 6:
            rows = pa.concat_tables([table.storage.read(file.path) for file in files])
            staging = table.staging()
            with staging.open(day, rows.schema, PartKind.SEALED) as part:
                part.write(rows)
            table.rewrite(files, staging, metadata={"job": "seal"})
            table.vacuum()


def test_bad_weather_neither_loses_nor_doubles_a_message(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with faulty_s3(tmp_path) as s3:
        url = s3.at("weather")
        lake = Lake(url, s3.options)
        s3.fail(*WEATHER)
        running = [writer(s3, url, topic, FAR) for topic in TOPICS]
        ended = merged = 0
        began = time.monotonic()
        try:
            while (passed := time.monotonic() - began) < SECONDS or not sum(s3.struck()[:3]):
                assert passed < SECONDS + PATIENCE_SECONDS, "no request was struck"
                for index, process in enumerate(running):
                    if process.poll() is not None:
                        ended += 1
                        running[index] = writer(s3, url, TOPICS[index], FAR)
                try:
                    merge(lake)
                    merged += 1
                except (TelemetryError, OSError, pa.ArrowException):
                    lake = Lake(url, s3.options)
        finally:
            for process in running:
                process.kill()
                process.wait()
        struck = s3.struck()
        s3.fail()
        with an_hour_later():
            Lake(url, s3.options).recover()
        lake = Lake(url, s3.options)
        table = table_of(lake)
        heads = {topic: table.position(app_id(topic)) or 0 for topic in set(TOPICS)}
        stored = sorted(logged(lake) + rejected(lake))
        assert stored == sorted(f"{t}-{n}" for t, head in heads.items() for n in range(head))
        assert lake.missing_files() == ()
        snapshot = table.snapshot()
        there = {found.path for found in table.storage.files()}
        assert there == {file.path for file in snapshot.files}
        told = {
            "seconds": SECONDS,
            "messages": sum(heads.values()),
            "commits": snapshot.version,
            "faults": dict(zip((f"{r.method} {r.fault}" for r in WEATHER), struck, strict=True)),
            "writers started again": ended,
            "merges": merged,
        }
        record_property("weather", told)
        (tmp_path / "weather.json").write_text(json.dumps(told))
