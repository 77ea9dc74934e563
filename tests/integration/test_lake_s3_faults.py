"""An object store whose answers are lost, wrong, late or slow: nothing is lost, nothing doubled.

Every kind of commit meets every kind of lost answer on the entry that it writes. Without asking
the log a commit that was made looks refused, and its files would be removed with their rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pytest
from deltalake.fs import DeltaStorageHandler

from pipeline.errors import OutcomeUnknown, TelemetryError
from pipeline.io.delta.log_files import log_files
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.publications import RollupStore
from pipeline.io.lake.staging import Staging
from pipeline.ops.retention.seal import Sealer
from pipeline.ops.rights.erasure import erase
from tests.integration.services.faulty_s3 import LOG_ENTRY, FaultyS3, Rule, faulty_s3
from tests.integration.services.s3 import Bucket
from tests.integration.test_rights_s3 import ROWS, S3World
from tests.unit.io.lakes import (
    DAYS,
    NOW,
    an_hour_later,
    app_id,
    batch,
    expected,
    logged,
    passed_over,
    table_of,
)
from tests.unit.ops.rights.desk import EVENT, T0, days_back
from tests.waiting import wait_for

pytestmark = pytest.mark.service
LOST = ("lost", "lost_cut", "late")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyS3]:
    with faulty_s3(tmp_path_factory.mktemp("moto")) as started:
        yield started


@pytest.fixture
def s3(server: FaultyS3) -> FaultyS3:
    server.fail()
    return server


@pytest.fixture
def url(s3: FaultyS3) -> str:
    return s3.at(os.urandom(4).hex())


@pytest.fixture
def world(s3: FaultyS3, url: str, tmp_path: Path) -> S3World:
    return S3World(Bucket(url, tmp_path, s3.options), tmp_path)


def seal(world: S3World) -> None:
    list(Sealer().seal(EVENT, world.table, T0, days_back(1, 2, 40)))


def append(world: S3World) -> None:
    world.store(ROWS[:4], topic="more")


def restrict(world: S3World) -> None:
    world.restriction.restrict(world.subjects("b"))


def release(world: S3World) -> None:
    world.restriction.restrict(world.subjects("b"))
    world.restriction.release(world.subjects("b"))


def erasure(world: S3World) -> None:
    erase(world.table, world.subjects("a", "c"), job="erase")


def expire(world: S3World) -> None:
    world.expire()


def everything(world: S3World) -> list[object]:
    """Every row but its subject, whose key each world has of its own; views, then aside."""
    views = [(*row[::2], row[3]) for row in world.rows()]
    aside = [(*row[::2], row[3]) for row in world.rows(aside=True)]
    return [*sorted(views, key=repr), "aside", *sorted(aside, key=repr)]


JOBS: tuple[Callable[[S3World], None], ...] = (append, seal, restrict, release, erasure, expire)


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.__name__)
def test_a_commit_whose_answer_is_lost_stands_and_keeps_its_files(
    world: S3World, s3: FaultyS3, job: Callable[[S3World], None], fault: str
) -> None:
    """The same job on a faultless lake says what there has to be."""
    faultless = S3World(
        Bucket(f"{world.bucket.url}-faultless", world.folder, s3.options), world.folder / "other"
    )
    job(faultless)
    s3.fail(Rule("PUT", LOG_ENTRY, fault, times=2, seconds=0.2))
    job(world)
    assert sum(s3.struck()) == 2
    s3.fail()
    assert everything(world) == everything(faultless)
    assert world.lake.missing_files() == ()
    with an_hour_later():
        world.lake.recover()
    assert everything(world) == everything(faultless)
    assert world.lake.missing_files() == ()


@pytest.mark.parametrize("fault", LOST)
def test_rejections_and_gaps_survive_a_lost_answer(s3: FaultyS3, url: str, fault: str) -> None:
    lake = Lake(url, s3.options)
    table = table_of(lake)
    for number, rejected in enumerate([(2,), (12, 13), ()]):
        s3.fail(Rule("PUT", LOG_ENTRY, fault, times=3, seconds=0.1))
        start = number * 10
        slice_ = batch(start, start + 10, rejected=rejected)
        lake.rejections().prepare(slice_, NOW)
        try:
            table.commit(slice_)
        except OutcomeUnknown:
            if table.position(app_id()) == start:
                table.commit(slice_)
    s3.fail(Rule("PUT", LOG_ENTRY, fault, times=1, seconds=0.1))
    table.commit(passed_over(30, 35))
    s3.fail()
    lake.recover()
    assert table.position(app_id()) == 35
    assert logged(lake) == sorted(set(expected(0, 30)) - {"abc-2", "abc-12", "abc-13"})
    assert sum(file.rows for file in lake.rejections().snapshot().files) == 3
    assert lake.missing_files() == ()


@pytest.mark.parametrize("method", ["PUT", "GET", "LIST", "DELETE", "HEAD"])
@pytest.mark.parametrize("fault", ["500", "503", "429", "403", "cut", "slow"])
def test_a_fault_of_any_request_neither_loses_nor_doubles(
    s3: FaultyS3, url: str, method: str, fault: str
) -> None:
    """First a fault that passes, which nobody notices or an error tells; then one that stays."""
    lake = Lake(url, s3.options)
    table = table_of(lake)
    table.commit(batch(0, 10))
    for times in (2, -1):
        s3.fail(Rule(method, "", fault, times=times, seconds=0.1))
        for _ in range(2):
            start = 10
            try:
                start = table.position(app_id()) or 0
                table.commit(batch(start, start + 10))
                table.rewrite(
                    table.snapshot().by_day()[DAYS[0]][:1],
                    staged_copy(lake),
                    metadata={"job": "test"},
                )
                table.vacuum()
            except TelemetryError as error:
                assert error.remedy
    s3.fail()
    position = table.position(app_id()) or 0
    assert logged(lake) == expected(0, position)
    assert lake.missing_files() == ()


def staged_copy(lake: Lake) -> Staging:
    table = table_of(lake)
    first = table.snapshot().by_day()[DAYS[0]][0]
    staging = table.staging()
    staging.write(DAYS[0], table.storage.read(first.path))
    return staging


def test_a_log_that_cannot_be_asked_leaves_everything(s3: FaultyS3, url: str) -> None:
    lake = Lake(url, s3.options)
    table = table_of(lake)
    table.commit(batch(0, 10))
    s3.fail(Rule("PUT", LOG_ENTRY, "lost", times=1), Rule("GET", r"0{19}2\.json$", "503", times=-1))
    with pytest.raises(OutcomeUnknown, match="not known"):
        table.commit(batch(10, 20))
    s3.fail()
    assert table.position(app_id()) == 20
    assert logged(lake) == expected(0, 20)


def test_a_commit_that_arrives_after_it_was_given_up_is_whole(s3: FaultyS3, url: str) -> None:
    lake = Lake(url, s3.options)
    table = table_of(lake)
    table.commit(batch(0, 10))
    late = Rule("PUT", LOG_ENTRY, "late", times=1, seconds=2.0)
    s3.fail(late, Rule("PUT", LOG_ENTRY, "503", times=-1))
    with pytest.raises(OutcomeUnknown, match="not known"):
        table.commit(batch(10, 20))
    s3.fail()
    assert table.position(app_id()) == 10
    wait_for(lambda: table.position(app_id()) == 20)
    assert logged(lake) == expected(0, 20)
    assert lake.missing_files() == ()


def test_a_publication_whose_answer_is_lost_is_published(s3: FaultyS3, url: str) -> None:
    store = RollupStore(url, s3.options)
    table = pa.table({"a": [1, 2]})
    s3.fail(Rule("POST", r"rollups.*\?uploadId", "lost", times=2))
    store.write("metric", table, {})
    assert sum(s3.struck()) > 0
    store.write_manifest({"version": 1})
    s3.fail()
    assert store.read("metric", table.schema).equals(table)
    assert store.manifest() == {"version": 1}


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_damaged_checkpoint_in_a_bucket_does_no_harm(
    s3: FaultyS3, url: str, content: bytes
) -> None:
    lake = Lake(url, s3.options)
    table = table_of(lake)
    table.commit(batch(0, 10))
    table.log.shorten()
    files = log_files(table.log.uri, s3.options)
    (name,) = [name for name in files.names() if "checkpoint.parquet" in name]
    store = pafs.PyFileSystem(DeltaStorageHandler(table.log.uri, s3.options))
    with store.open_output_stream(f"_delta_log/{name}", buffer_size=100) as stream:
        stream.write(content)
    table = table_of(Lake(url, s3.options))
    table.commit(batch(10, 20))
    assert logged(Lake(url, s3.options)) == expected(0, 20)
