"""Processes that race, are killed and are stopped over one lake in a bucket: exactly once.

The local tests (test_lake_kill, test_lake_race) say what each moment is. Here the comparison of
positions meets the conditional writes of an object store, and nothing has a hidden name.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from pipeline.io.lake.lake import Lake
from tests.integration.services import gcs, s3, s3_api
from tests.integration.test_lake_kill import KILLED, MOMENTS, ROOT, finish, rejected, state_of
from tests.unit.io.lakes import an_hour_later, logged, table_of

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(s3.missing() is not None, reason=s3.missing() or ""),
]
COMMITS = 200
"""Of the events' table at least; that of rejections takes about half as many."""
MESSAGES = 3_400
"""At 15 in a slice on the average."""
ZOMBIES_END = 1_500
"""Far from where they are stopped, and behind the others when they wake."""
RANDOM_KILLS = 6


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Bucket]:
    with s3.bucket(tmp_path_factory.mktemp("gateway")) as started:
        yield started


@pytest.fixture
def bucket(gateway: s3.Bucket, request: pytest.FixtureRequest) -> s3.Bucket:
    name = request.node.name
    return s3.Bucket(f"{gateway.url}/{name}", gateway.folder / "telemetry" / name, gateway.options)


def worker(bucket: s3.Bucket | gcs.GcsBucket, total: int, where: str = "") -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.integration.lake_worker"]
    words += [bucket.url, "no-state", "abc", str(total)]
    return subprocess.Popen(
        words + ([where] if where else []),
        cwd=ROOT,
        env={
            **os.environ,
            "LAKE_STORAGE": json.dumps(bucket.options),
            "LAKE_REJECT_EVERY": "47",
        },
        stdout=subprocess.PIPE,
        text=True,
    )


def commits(bucket: s3.Bucket) -> int:
    """How many commits the events' table has."""
    table = table_of(Lake(bucket.url, bucket.options)).log.load()
    return 0 if table is None else table.version()


def check_everything_is_there_once(bucket: s3.Bucket, total: int) -> None:
    """Events and rejections are exactly the messages; after a sweep, bucket and log agree."""
    # Recovery records what the events' log has decided for, and an hour later sweeps the rest.
    with an_hour_later():
        Lake(bucket.url, bucket.options).recover()
    lake = Lake(bucket.url, bucket.options)
    assert sorted(logged(lake) + rejected(lake)) == sorted(f"abc-{n}" for n in range(total))
    kept = s3_api.versions(bucket)
    for table in (table_of(lake), lake.rejections()):
        root = f"{table.log.uri.removeprefix('s3://lake/')}/"
        stored = {one.key.removeprefix(root) for one in kept if one.key.startswith(root)}
        named = {file.path for file in table.snapshot().files}
        assert {path for path in stored if "_date=" in path} == named
    assert all(one.latest and not one.marker for one in kept)


def test_two_writers_race_for_two_hundred_commits_through_kills_and_zombies(
    bucket: s3.Bucket,
) -> None:
    rng = random.Random(11)
    moments, killed_at_moments, killed_at_random = list(MOMENTS), 0, 0
    started = [worker(bucket, ZOMBIES_END, f"stop-{step}:5") for step in ("staged", "revealed")]
    zombies, running = tuple(started), dict[subprocess.Popen[str], str]()
    try:
        # A worker ends by itself when everything is stored.
        while not any(process.poll() == 0 for process in running):
            for process in [process for process in running if process.poll() is not None]:
                assert process.returncode == KILLED
                assert running.pop(process), "nobody has killed this one"
                killed_at_moments += 1
            while len(running) < 2:
                moment = moments.pop(0) if moments else ""
                started.append(worker(bucket, MESSAGES, moment))
                running[started[-1]] = moment
            time.sleep(rng.uniform(0.5, 2))
            victims = [process for process, moment in running.items() if not moment]
            if victims and killed_at_random < RANDOM_KILLS:
                victim = rng.choice(victims)
                del running[victim]
                victim.kill()
                killed_at_random += victim.wait() == KILLED
        for process in running:
            process.communicate(timeout=120)
        assert [state_of(process.pid) for process in zombies] == ["T", "T"]
        for process in zombies:
            process.send_signal(signal.SIGCONT)
        refused = [int(finish(process)) for process in zombies]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    check_everything_is_there_once(bucket, MESSAGES)
    assert min(refused) >= 1
    assert (killed_at_moments, killed_at_random) == (len(MOMENTS), RANDOM_KILLS)
    assert commits(bucket) >= COMMITS


def test_without_the_comparison_two_processes_double_messages(bucket: s3.Bucket) -> None:
    """What the test above would find: the store's conditions alone keep no message single."""
    processes = [worker(bucket, 120, "no-compare") for _ in range(2)]
    for process in processes:
        process.communicate(timeout=60)
    counts = Counter(logged(Lake(bucket.url, bucket.options)))
    assert set(counts.values()) == {2}
    assert len(counts) == 120
    with pytest.raises(AssertionError):
        check_everything_is_there_once(bucket, 120)
