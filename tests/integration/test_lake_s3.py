"""The same promises on an object store, through a real S3 gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import KeyUnavailable, LakeError, PositionConflict
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.lake import Lake
from pipeline.io.parquet.encryption import Encryption, label_of
from pipeline.ops.views import View, open_views
from pipeline.privacy.identity.epochs import EpochKind
from tests.integration.services import s3
from tests.unit.io.lakes import (
    DAYS,
    EVENT,
    NOW,
    SCHEMA,
    an_hour_later,
    app_id,
    batch,
    expected,
    logged,
    race_of_three,
    table_of,
)

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(s3.missing() is not None, reason=s3.missing() or ""),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Bucket]:
    with s3.bucket(tmp_path_factory.mktemp("gateway")) as started:
        yield started


@pytest.fixture
def bucket(gateway: s3.Bucket, request: pytest.FixtureRequest) -> s3.Bucket:
    """A prefix of its own for each test."""
    name = request.node.name.replace("[", "-").replace("]", "")
    return s3.Bucket(f"{gateway.url}/{name}", gateway.folder / "telemetry" / name, gateway.options)


def opened(bucket: s3.Bucket) -> Lake:
    return Lake(bucket.url, bucket.options)


def objects(bucket: s3.Bucket) -> list[str]:
    return sorted(path.name for path in bucket.folder.rglob("*.parquet") if "_log" not in str(path))


def test_events_and_rejections_are_stored_once(bucket: s3.Bucket) -> None:
    lake = opened(bucket)
    assert lake.stored_events() == ()
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
    assert table_of(other).position(app_id()) == 20
    assert len(objects(bucket)) == 6
    assert other.recover() == 0


def test_encrypted_objects_are_read_with_the_keys_alone(bucket: s3.Bucket, tmp_path: Path) -> None:
    keys = LocalKeystore(tmp_path / "keys", now=lambda: NOW)
    encryption = Encryption(lambda: keys, EpochKind.DAY)
    table_of(opened(bucket)).commit(batch(0, 10))
    lake = Lake(bucket.url, bucket.options, encryption=encryption)
    table_of(lake).commit(batch(10, 20))
    assert logged(lake) == expected(0, 20)
    files = table_of(lake).snapshot().files
    dataset = table_of(lake).dataset([file.path for file in files])
    with open_views([View(EVENT, SCHEMA, "event_date", files, dataset)]) as database:
        rows = database.execute(f"SELECT subject FROM {EVENT} ORDER BY subject").fetchall()
    assert [row[0] for row in rows] == expected(0, 20)
    encrypted = [path for path in bucket.folder.rglob("*.parquet") if label_of(path.name)]
    assert len(encrypted) == 2
    assert not any(b"abc-" in path.read_bytes() for path in encrypted)
    with pytest.raises(KeyUnavailable):
        logged(opened(bucket))


def test_writers_on_one_source_store_each_message_once(bucket: s3.Bucket) -> None:
    refused = race_of_three(lambda: opened(bucket), 100)
    assert refused
    assert logged(opened(bucket)) == expected(0, 100)
    assert len(objects(bucket)) == 40


def test_orphans_are_swept_after_an_hour_and_nothing_else(bucket: s3.Bucket) -> None:
    lake = opened(bucket)
    table_of(lake).commit(batch(0, 10))
    table_of(lake).stage(batch(10, 20))
    assert len(objects(bucket)) == 4
    assert opened(bucket).recover() == 0
    with an_hour_later():
        assert opened(bucket).recover() == 2
    assert len(objects(bucket)) == 2
    assert logged(lake) == expected(0, 10)


def test_a_rewrite_and_a_vacuum_leave_no_old_bytes(bucket: s3.Bucket) -> None:
    lake = opened(bucket)
    table = table_of(lake)
    for start in (0, 10, 20):
        table.commit(batch(start, start + 10))
    files = table.snapshot().by_day()[DAYS[0]]
    staging = table.staging()
    rows = pa.concat_tables([table.storage.read(file.path) for file in files])
    with staging.open(DAYS[0], rows.schema) as part:
        part.write(rows.slice(1))
    table.rewrite(files, staging, metadata={"job": "test"})
    assert set(table.vacuum()) == {file.path for file in files}
    assert len(logged(lake)) == 29
    assert len(objects(bucket)) == 4


def test_wrong_credentials_are_told_without_them(bucket: s3.Bucket) -> None:
    table_of(opened(bucket)).commit(batch(0, 10))
    options = {**bucket.options, "AWS_SECRET_ACCESS_KEY": "hunter2-wrong"}
    lake = Lake(bucket.url, options)
    with pytest.raises(LakeError) as caught:
        table_of(lake).commit(batch(10, 20))
    assert "hunter2" not in f"{caught.value!r} {caught.value} {lake!r} {table_of(lake)!r}"


def test_a_store_that_is_not_there_is_told(bucket: s3.Bucket, tmp_path: Path) -> None:
    options = {
        **bucket.options,
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "max_retries": "1",
        "retry_timeout": "2s",
    }
    with pytest.raises(LakeError):
        table_of(Lake(bucket.url, options)).commit(batch(0, 10))
