"""Processes that write at once: the lake takes each slice from one of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pipeline.errors import RewriteConflict
from pipeline.io.lake.lake import Lake
from tests.integration.test_lake_kill import check_everything_is_there_once, finish, worker
from tests.unit.io.lakes import DAYS, globbed, logged, table_of


def test_two_processes_on_one_source_store_each_message_once(tmp_path: Path) -> None:
    processes = [worker(tmp_path, 500, together=2) for _ in range(2)]
    refused = sum(int(finish(process)) for process in processes)
    assert refused > 0, "the two never met, so nothing was tested"
    check_everything_is_there_once(tmp_path, 500, "abc")


def test_without_the_comparison_two_processes_double_messages(tmp_path: Path) -> None:
    """What the test above would find: the comparison is what keeps rows from being doubled."""
    processes = [worker(tmp_path, 120, "no-compare") for _ in range(2)]
    for process in processes:
        process.communicate(timeout=60)
    counts = Counter(logged(Lake(str(tmp_path / "lake"))))
    assert set(counts.values()) == {2}
    assert len(counts) == 120
    with pytest.raises(AssertionError):
        check_everything_is_there_once(tmp_path, 120, "abc")


def test_four_processes_that_create_the_tables_at_once(tmp_path: Path) -> None:
    topics = ("a", "b", "c", "d")
    processes = [worker(tmp_path, 60, topic=topic) for topic in topics]
    assert [int(finish(process)) for process in processes] == [0, 0, 0, 0]
    check_everything_is_there_once(tmp_path, 60, *topics)


def test_rewrites_vacuums_and_sweeps_disturb_no_writer(tmp_path: Path) -> None:
    """Days are compacted again and again while two processes write; nothing else changes."""
    processes = [worker(tmp_path, 300, topic=topic) for topic in ("a", "b")]
    lake = Lake(str(tmp_path / "lake"), state=tmp_path / "state")
    rounds = 0
    while any(process.poll() is None for process in processes):
        table = table_of(lake)
        files = table.snapshot().by_day().get(DAYS[rounds % 2], ())
        if len(files) > 1:
            staging = table.staging()
            with staging.open(files[0].day, table.storage.read(files[0].path).schema) as part:
                for file in files:
                    part.write(table.storage.read(file.path))
            try:
                table.rewrite(files, staging, metadata={"job": "compact"})
            except RewriteConflict as conflict:
                raise AssertionError("nobody else rewrites") from conflict
            table.vacuum()
        table.sweep()
        rounds += 1
    assert [finish(process) for process in processes] == ["0", "0"]
    assert rounds > 3
    lake.close()
    check_everything_is_there_once(tmp_path, 300, "a", "b")
    assert globbed(tmp_path / "lake") == logged(lake)
