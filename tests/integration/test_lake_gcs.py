"""The lake on `gs://`: delta-rs's and Arrow's clients for Google against a local server.

The server is no Google, see services/gcs: what holds here is that our side speaks and reacts as it
should, not that Google answers like this.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.errors import PositionConflict
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.storage import GoogleStorage, ObjectStorage, storage_at
from pipeline.io.parquet.encoding import part_writer
from tests.integration.services import gcs
from tests.integration.test_lake_kill import KILLED, finish, rejected, state_of
from tests.integration.test_lake_s3_race import worker
from tests.unit.io.lakes import (
    DAYS,
    EVENT,
    NOW,
    an_hour_later,
    app_id,
    batch,
    expected,
    logged,
    race_of_three,
    table_of,
)
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(gcs.missing() is not None, reason=gcs.missing() or ""),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gcs.GcsBucket]:
    with gcs.bucket(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture
def bucket(server: gcs.GcsBucket, request: pytest.FixtureRequest) -> gcs.GcsBucket:
    """A prefix of its own for each test."""
    name = re.sub(r"\W+", "-", request.node.name)
    return gcs.GcsBucket(f"{server.url}/{name}", server.options, server.endpoint)


def opened(bucket: gcs.GcsBucket) -> Lake:
    return Lake(bucket.url, bucket.options)


def data(bucket: gcs.GcsBucket) -> dict[str, dict[str, str]]:
    """The data files of a lake, with what the server knows of them."""
    prefix = bucket.url.removeprefix(f"gs://{gcs.BUCKET}/") + "/"
    return {
        name.removeprefix(prefix): item
        for name, item in bucket.objects().items()
        if name.startswith(prefix) and "/_delta_log/" not in name
    }


def test_events_and_rejections_are_stored_once(bucket: gcs.GcsBucket) -> None:
    lake = opened(bucket)
    assert table_of(lake).position(app_id()) is None
    for start in (0, 10):
        made = batch(start, start + 10, rejected=(start + 3,))
        lake.rejections().prepare(made, NOW)
        table_of(lake).commit(made)
    with pytest.raises(PositionConflict):
        table_of(opened(bucket)).commit(batch(10, 20))
    other = opened(bucket)
    assert other.stored_events() == (EVENT,)
    assert logged(other) == sorted(set(expected(0, 20)) - {"abc-3", "abc-13"})
    assert other.rejections().snapshot().rows == 2
    assert len(data(bucket)) == 6


def test_writers_on_one_source_store_each_message_once(bucket: gcs.GcsBucket) -> None:
    refused = race_of_three(lambda: opened(bucket), 60)
    assert refused
    assert logged(opened(bucket)) == expected(0, 60)
    assert len(data(bucket)) == 24


def test_killed_and_stopped_writers_lose_and_double_nothing(bucket: gcs.GcsBucket) -> None:
    zombie = worker(bucket, 150, "stop-staged:2")
    started = [zombie]
    try:
        wait_for(lambda: state_of(zombie.pid) == "T")
        for moment in ("staged:1", "revealed:2", "committed:1"):
            started.append(worker(bucket, 150, moment))
            assert started[-1].wait(timeout=60) == KILLED
        pair = [worker(bucket, 150) for _ in range(2)]
        started += pair
        for process in pair:
            finish(process)
        zombie.send_signal(signal.SIGCONT)
        assert int(finish(zombie)) >= 1
    finally:
        for process in started:
            process.kill()
            process.communicate()
    later = opened(bucket)
    with an_hour_later():
        later.recover()
    assert sorted(logged(later) + rejected(later)) == sorted(f"abc-{n}" for n in range(150))
    named = len(table_of(later).snapshot().files) + len(later.rejections().snapshot().files)
    assert len(data(bucket)) == named


def test_a_file_carries_its_day_as_custom_time_also_when_it_is_written_anew(
    bucket: gcs.GcsBucket,
) -> None:
    table = table_of(opened(bucket))
    table.commit(batch(0, 10))
    files = table.snapshot().by_day()[DAYS[0]]
    staging = table.staging()
    with staging.open(DAYS[0], table.storage.read(files[0].path).schema) as part:
        part.write(table.storage.read(files[0].path))
    table.rewrite(files, staging, metadata={"job": "test"})
    table.vacuum()
    for day in DAYS:
        (item,) = (item for name, item in data(bucket).items() if f"={day}/" in name)
        assert item["customTime"].removesuffix(".000Z").removesuffix("Z") == f"{day}T00:00:00"
    assert logged(opened(bucket)) == expected(0, 10)


def test_orphans_are_swept_and_removed_files_deleted(bucket: gcs.GcsBucket) -> None:
    lake = opened(bucket)
    table_of(lake).commit(batch(0, 10))
    table_of(lake).stage(batch(10, 20))
    assert opened(bucket).recover() == 0
    assert len(data(bucket)) == 4
    with an_hour_later():
        assert opened(bucket).recover() == 2
    assert len(data(bucket)) == 2
    assert logged(lake) == expected(0, 10)


@pytest.mark.parametrize("path", ["event_date=2026-11-01/large.parquet", "large.parquet"])
def test_a_large_file_goes_up_whole(bucket: gcs.GcsBucket, path: str) -> None:
    """By Arrow's client and by delta-rs's, in several parts."""
    storage = table_of(opened(bucket)).storage
    numbers = np.random.default_rng(1).integers(0, 1 << 62, 1_500_000)
    file = storage.create(path)
    with part_writer(file, pa.schema([("number", pa.int64())])) as parquet:
        for part in np.split(numbers, 3):
            parquet.write_table(pa.table({"number": part}))
    storage.settle(file)
    assert storage.size(path) > 10_000_000
    assert storage.read(path)["number"].to_numpy().tolist() == numbers.tolist()


def test_credentials_in_the_settings_are_for_one_client_alone(tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    account.write_text(
        '{"client_email": "", "private_key": "", "private_key_id": "", "disable_oauth": true}'
    )
    with_file = storage_at("gs://lake/t", {"GOOGLE_SERVICE_ACCOUNT": str(account)})
    assert isinstance(with_file, ObjectStorage)
    assert not isinstance(with_file, GoogleStorage)
