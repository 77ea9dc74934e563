"""What seal, restriction, erasure and expiry leave in a bucket: nothing old, nothing unfinished."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow.compute as pc
import pytest

from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.restricted_table import RestrictedTable
from pipeline.io.lake.staging import Staging
from pipeline.io.rights.request_queue import RequestKind
from pipeline.ops.retention.expiry import ExpiringTable, Expiry
from pipeline.ops.retention.seal import Sealer
from pipeline.ops.rights.worker import erasure_targets
from tests.integration.services import s3, s3_api
from tests.unit.io.lakes import an_hour_later
from tests.unit.ops.retention.test_seal import STORED
from tests.unit.ops.rights.desk import EVENT, T0, TODAY, Killed, Row, World, days_back

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(s3.missing() is not None, reason=s3.missing() or ""),
]
AGES = (1, 2, 40, 91)
ROWS: list[Row] = [(account, day) for day in days_back(*AGES) for account in "aabbbcdd"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Bucket]:
    with s3.bucket(tmp_path_factory.mktemp("gateway")) as started:
        yield started


class S3World(World):
    """The same accounts over a lake in a bucket; two commits, so that days have several files."""

    def __init__(self, bucket: s3.Bucket, folder: Path) -> None:
        super().__init__(folder)
        self.bucket = bucket
        self.lake = Lake(bucket.url, bucket.options)
        self.table = self.lake.events(EVENT, STORED)
        self.rights = replace(self.rights, lake=self.lake)
        for part in (ROWS[::2], ROWS[1::2]):
            self.store(part)

    def expire(self) -> None:
        """Delete what is due, events and restricted rows alike."""
        tables = [
            ExpiringTable(target.name, target.table, 89) for target in erasure_targets(self.lake)
        ]
        keys = LocalKeystore(self.state / "keys", now=lambda: T0)
        # The accounts' clock is fixed, so it cannot agree with the store's.
        expiry = Expiry(tables, keys, self.receipts, self.state, {}, check_store_clock=False)
        expiry.apply(expiry.propose(T0).plan.digest, T0, ("rows", "partitions"))

    def tokens(self) -> set[str]:
        """The subjects in every data object of the bucket, whether or not a log names it."""
        found: set[str] = set()
        for target in erasure_targets(self.lake):
            for file in target.table.storage.files():
                column = target.table.storage.read(file.path, ["subject"])["subject"]
                found.update(pc.unique(column).to_pylist())
        return found

    def check_nothing_old_is_left(self) -> None:
        """Every object is the only version of its key, named by a log, and no upload is open."""
        kept = s3_api.versions(self.bucket)
        assert all(one.latest and not one.marker for one in kept)
        stored = {one.key for one in kept if "/_delta_log/" not in one.key}
        root = f"{self.bucket.url.removeprefix('s3://lake/')}/"
        named = {
            f"{root}{target.name}/{file.path}"
            for target in erasure_targets(self.lake)
            for file in target.table.snapshot().files
        }
        assert stored == named
        assert s3_api.uploads(self.bucket) == []


@pytest.fixture
def world(gateway: s3.Bucket, tmp_path: Path, request: pytest.FixtureRequest) -> S3World:
    name = request.node.name.replace("[", "-").replace("]", "")
    bucket = s3.Bucket(
        f"{gateway.url}/{name}", gateway.folder / "telemetry" / name, gateway.options
    )
    return S3World(bucket, tmp_path)


def test_jobs_leave_no_object_no_old_version_and_no_upload(world: S3World) -> None:
    before = world.rows()
    list(Sealer().seal(EVENT, world.table, T0, days_back(1, 2, 40)))
    world.check_nothing_old_is_left()
    world.ask(RequestKind.RESTRICT, "b")
    assert world.work().rows_moved == 12
    assert {row[1] for row in world.rows(aside=True)} <= world.of("b")
    world.check_nothing_old_is_left()
    world.ask(RequestKind.ERASE, "a", "c")
    assert world.work().rows_removed == 12
    world.check_nothing_old_is_left()
    assert not world.tokens() & world.of("a", "c")
    world.expire()
    world.check_nothing_old_is_left()
    gone = world.of("a", "b", "c")
    due = str(TODAY - timedelta(days=91))
    # Sealing has taken the event tokens of settled days, so rows are told by the rest.
    left = sorted(row[1:] for row in world.rows())
    assert left == sorted(row[1:] for row in before if row[1] not in gone and row[3] != due)
    assert len(world.rows(aside=True)) == 9


def test_a_release_brings_rows_back_and_leaves_nothing(world: S3World) -> None:
    before = world.rows()
    world.ask(RequestKind.RESTRICT, "b", "d")
    world.work()
    world.ask(RequestKind.RELEASE, "b", "d")
    world.work()
    assert world.rows() == before
    assert world.rows(aside=True) == []
    world.check_nothing_old_is_left()


def test_an_erasure_that_was_killed_leaves_nothing_once_it_is_repeated(
    world: S3World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between commit and deletion: the old objects are deleted by the next run."""
    world.ask(RequestKind.ERASE, "a")

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(type(world.table), "vacuum", die)
        world.work()
    assert world.tokens() & world.of("a")
    world.work()
    assert not world.tokens() & world.of("a")
    world.check_nothing_old_is_left()


def test_what_killed_writers_left_in_the_bucket_goes_with_the_second_pass(
    world: S3World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object that no commit names may hold the rows of an account that is erased meanwhile."""

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(EventTable, "publish", die)
        with pytest.raises(Killed):
            world.store(ROWS, topic="killed")
    world.ask(RequestKind.ERASE, "a")
    world.work()
    # It is younger than an hour, so for all that can be known its writer may yet commit it.
    assert world.tokens() & world.of("a")
    with an_hour_later():
        world.rights.work(T0 + timedelta(days=8))
    assert not world.tokens() & world.of("a")
    world.check_nothing_old_is_left()


@pytest.mark.parametrize("step", ["prepare", "replace_day"])
def test_a_restriction_that_died_is_finished_by_the_next_run(
    world: S3World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = world.rows()
    world.ask(RequestKind.RESTRICT, "b")

    def die(*_: object, **__: object) -> None:
        raise Killed

    owner, name = (Staging, "reveal") if step == "prepare" else (RestrictedTable, "replace_day")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(owner, name, die)
        world.work()
    world.work()
    assert sorted([*world.rows(), *world.rows(aside=True)], key=repr) == before
    assert {row[1] for row in world.rows(aside=True)} <= world.of("b")


def test_a_bucket_that_keeps_versions_keeps_what_was_erased(tmp_path: Path) -> None:
    """Why versioning has to be off: nothing that deletes by name can reach an old version."""
    folder = tmp_path / "versioned"
    folder.mkdir()
    with s3.bucket(folder) as bucket:
        s3_api.keep_versions(bucket)
        world = S3World(bucket, tmp_path)
        world.ask(RequestKind.ERASE, "a")
        world.work()
        assert not world.tokens() & world.of("a")
        kept = [one for one in s3_api.versions(bucket) if "event_date=" in one.key]
        assert [one for one in kept if not one.latest]
        assert [one for one in kept if one.marker]
        with pytest.raises(AssertionError):
            world.check_nothing_old_is_left()
