"""Erasure beside a stream, a seal and an expiry, as real processes: nothing lost, doubled, kept."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from pipeline.io.folder_bytes import read_contents
from pipeline.ops.retention.seal import Sealer
from tests.integration.rights_worker import ACCOUNTS, ERASED, OLD, SLICES, slice_rows
from tests.rules.sources import ROOT
from tests.unit.ops.rights.desk import EVENT, T0, World, days_back

OTHERS = "".join(account for account in ACCOUNTS if account not in ERASED)


def start(role: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.rights_worker", role, str(folder)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A lake after the race; the accounts had rows before it as well."""
    world = World(tmp_path_factory.mktemp("race"))
    world.store([(account, day) for day in days_back(1, 12, OLD, OLD) for account in ACCOUNTS])
    roles = ["seal", "expire", "erase", "stream"]
    running = [(role, start(role, world.folder)) for role in roles]
    try:
        ended = {
            role: (process.communicate(timeout=240)[1], process.returncode)
            for role, process in running
        }
    finally:
        for _, process in running:
            process.kill()
    assert {role: code for role, (_, code) in ended.items()} == dict.fromkeys(roles, 0), ended
    return world


def test_no_row_of_an_erased_account_is_left(world: World) -> None:
    world.work()
    gone = world.of(*ERASED)
    assert not gone & {row[1] for row in world.rows()}


def test_no_page_of_any_file_holds_an_erased_token(world: World) -> None:
    world.work()
    world.table.vacuum()
    tokens = [token.encode() for token in world.of(*ERASED)]
    found = [
        one.place
        for one in read_contents(world.folder / "lake")
        if any(token in one.data for token in tokens)
    ]
    assert found == []


def test_no_other_row_was_lost_or_doubled(world: World) -> None:
    """What the stream wrote of everybody else is known exactly, and so is what was there before."""
    written = [(account, day) for day in days_back(1, 12) for account in OTHERS]
    written += [row for number in range(SLICES) for row in slice_rows(number) if row[0] in OTHERS]
    expected = Counter((world.subject(*row), str(row[1])) for row in written)
    assert Counter((row[1], row[3]) for row in world.rows()) == expected
    tokens = [row[0] for row in world.rows() if row[0] is not None]
    assert len(tokens) == len(set(tokens))


def test_what_was_due_has_expired(world: World) -> None:
    assert days_back(OLD)[0] not in world.table.snapshot().by_day()


def test_readers_that_glob_see_what_the_log_says(world: World) -> None:
    list(Sealer().seal(EVENT, world.table, T0))
    pattern = f"{world.table.log.uri}/event_date=*/*.parquet"
    row = duckdb.execute("SELECT count(*) FROM read_parquet(?)", [pattern]).fetchone()
    assert row == (world.table.snapshot().rows,)


def test_every_receipt_holds(world: World) -> None:
    assert world.receipts.verify() is None
    assert {"erase", "expire"} <= {receipt.kind for receipt in world.receipts.all()}
