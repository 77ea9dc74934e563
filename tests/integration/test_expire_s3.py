"""Seal and expire on an object store: the same promises, through a real S3 gateway."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.errors import ExpiryRefused
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.event_table import EVENT_DATE, EventTable
from pipeline.io.lake.lake import Lake
from pipeline.io.parquet.encoding import PartKind
from pipeline.io.rights.receipts import Receipts
from pipeline.ops.retention.expiry import ExpiringTable, Expiry
from pipeline.ops.retention.seal import Sealer
from pipeline.ops.views import View, open_views, visible
from tests.integration.services import s3, s3_api
from tests.unit.ops.retention.test_expiry import STEPS, Killed
from tests.unit.ops.retention.test_seal import STORED, store

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(s3.missing() is not None, reason=s3.missing() or ""),
]
EVENT = "api_request"
AGES = [*range(70, 91)]
"""Days before today with two rows each; those of 89 and 90 days are due."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Bucket]:
    with s3.bucket(tmp_path_factory.mktemp("gateway")) as started:
        yield started


class Place:
    """A lake in a bucket, and a local state folder; the clocks of both are the real one."""

    def __init__(self, gateway: s3.Bucket, name: str, state: Path) -> None:
        self.url, self.options = f"{gateway.url}/{name}", gateway.options
        self.folder, self.state = gateway.folder / "telemetry" / name, state
        state.mkdir(mode=0o700)
        self.now = datetime.now(UTC)
        self.table: EventTable = Lake(self.url, self.options).events(EVENT, STORED)
        self.receipts = Receipts(state / "receipts.ndjson")
        ages = [age for age in AGES for _ in range(2)]
        store(self.table, range(len(ages)), day=[self.day(age) for age in ages])

    def day(self, age: int) -> date:
        """The day so many days ago."""
        return self.now.date() - timedelta(days=age)

    def expiry(self) -> Expiry:
        """Expiry with the guard that compares the clock with the store's."""
        keys = LocalKeystore(self.state / "keys", now=lambda: self.now)
        tables = [ExpiringTable(f"events/{EVENT}", self.table, 89)]
        return Expiry(tables, keys, self.receipts, self.state, {})

    def objects(self) -> set[str]:
        """Every object of the table's days, as they lie in the gateway's folder."""
        root = self.folder / "events" / EVENT
        return {path.relative_to(root).as_posix() for path in root.rglob("event_date=*/*.parquet")}

    def named(self) -> set[str]:
        """The objects that the log names."""
        return {file.path for file in self.table.snapshot().files}


@pytest.fixture
def place(gateway: s3.Bucket, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    name = request.node.name.replace("[", "-").replace("]", "").replace(" ", "-")
    return Place(gateway, name.replace("/", "-"), tmp_path / "state")


def test_a_seal_leaves_one_object_a_day_and_every_row(place: Place) -> None:
    days = [place.day(70), place.day(71)]
    store(place.table, [900, 901, 900], topic="late", day=[*days, days[0]])
    sealed = list(Sealer().seal(EVENT, place.table, place.now, days))
    assert [(done.kind, done.files_before, done.rows, done.duplicates) for done in sealed] == [
        (PartKind.FINAL, 2, 3, 0),
        (PartKind.FINAL, 2, 3, 1),
    ]
    assert place.objects() == place.named()
    assert len(place.objects()) == len(AGES)
    assert list(Sealer().seal(EVENT, place.table, place.now, days)) == []


def test_views_hide_what_is_due_before_it_has_expired(place: Place) -> None:
    files = visible(place.table.snapshot().files, place.now.date())
    dataset = place.table.storage.dataset([file.path for file in files], STORED, EVENT_DATE)
    with open_views([View(EVENT, STORED, EVENT_DATE, files, dataset)]) as database:
        query = f"SELECT min(event_date), count(*) FROM {EVENT}"
        assert database.execute(query).fetchone() == (place.day(88), 2 * (len(AGES) - 2))


def test_an_expiry_deletes_what_is_due_and_what_lies_beside_it(place: Place) -> None:
    orphan = f"event_date={place.day(90)}/part-{'0' * 12}-{'1' * 32}.parquet"
    foreign = f"event_date={place.day(90)}/notes.txt"
    for path in (orphan, foreign):
        place.table.storage.settle(place.table.storage.create(path))
    plan = place.expiry().propose(place.now).plan
    assert {file.path for file in plan.files if not file.named} == {orphan}
    assert plan.foreign == (f"events/{EVENT}/{foreign}",)
    receipt = place.expiry().apply(plan.digest, place.now, ("rows",))
    assert receipt.body["partitions"] == [
        f"events/{EVENT}/{place.day(90)}",
        f"events/{EVENT}/{place.day(89)}",
    ]
    assert receipt.body["rows"] == 4
    assert place.objects() == place.named()
    assert min(place.table.snapshot().by_day()) == place.day(88)
    assert (place.folder / "events" / EVENT / foreign).exists()
    assert place.expiry().propose(place.now).plan.empty


@pytest.mark.parametrize("step", [step for step in STEPS if step != "destroy key"])
def test_a_crash_at_any_step_is_continued(place: Place, step: str) -> None:
    digest = place.expiry().propose(place.now).plan.digest

    def die(reached: str) -> None:
        if reached == step:
            raise Killed

    with pytest.raises(Killed):
        place.expiry().apply(digest, place.now, ("rows",), die)
    place.expiry().apply(digest, place.now, ("rows",))
    assert place.objects() == place.named()
    assert min(place.table.snapshot().by_day()) == place.day(88)


@pytest.mark.parametrize("hours", [40, -24])
def test_the_stores_clock_stops_an_expiry_with_a_wrong_one(place: Place, hours: int) -> None:
    wrong = place.now + timedelta(hours=hours)
    proposal = place.expiry().propose(wrong)
    assert "clock" in {guard.name for guard in proposal.guards}
    before = place.objects()
    with pytest.raises(ExpiryRefused):
        place.expiry().apply(proposal.plan.digest, wrong, ("rows", "partitions"))
    assert place.objects() == before


UPLOADER = """
import os, sys
import pyarrow as pa
from pipeline.io.parquet.encoding import part_writer
from pipeline.io.lake.storage import ObjectStorage
storage = ObjectStorage(sys.argv[1], {name: value for name, value in os.environ.items()
                                      if name.startswith("AWS_") or name == "conditional_put"})
schema = pa.schema([pa.field("event_token", pa.string())])
parquet = part_writer(storage.create(sys.argv[2]), schema)
while True:
    tokens = pa.array([os.urandom(16).hex() for _ in range(100_000)])
    parquet.write_table(pa.table([tokens], schema=schema))
    print("written", flush=True)
"""


def test_a_killed_upload_is_no_object_and_only_the_store_can_drop_its_parts(
    place: Place, gateway: s3.Bucket
) -> None:
    """What the bucket's rule `abort incomplete multipart uploads` is for (docs/operations.md).

    Every file goes up like this, small ones too, and no library of ours can list or abort uploads.
    """
    path = f"event_date={place.day(90)}/part-{'0' * 12}-{'2' * 32}.parquet"
    process = subprocess.Popen(
        [sys.executable, "-c", UPLOADER, place.table.log.uri, path],
        env={**os.environ, **place.options},
        stdout=subprocess.PIPE,
    )
    parts: list[Path] = []
    deadline = time.monotonic() + 60
    assert process.stdout is not None
    while not parts and time.monotonic() < deadline:
        process.stdout.readline()
        parts = _parts_of(gateway.folder)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert parts
    assert path not in {found.path for found in place.table.storage.files()}
    begun = [key for key in s3_api.uploads(gateway) if key.endswith(path)]
    assert len(begun) == 1
    digest = place.expiry().propose(place.now).plan.digest
    place.expiry().apply(digest, place.now, ("rows",))
    assert [key for key in s3_api.uploads(gateway) if key.endswith(path)] == begun


def _parts_of(bucket: Path) -> list[Path]:
    """Parts of unfinished uploads, where the gateway keeps them until somebody aborts those."""
    return [path for path in bucket.rglob("*") if path.is_file() and "multipart" in str(path)]
