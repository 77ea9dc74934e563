"""What a run does when something is not as needed: a clear error, an exit code, nothing lost."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.errors import (
    EnvironmentProblem,
    KeyUnavailable,
    LakeError,
    OptOutStale,
    SourceError,
)
from pipeline.io.rights.optout_list import OptOutFile
from tests.integration.nursery import Nursery, nursery
from tests.integration.runs import expected, globbed, make_ports, messages, stored

COUNT = 3_000


@pytest.fixture(scope="module")
def births(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with nursery(tmp_path_factory.mktemp("nursery")) as started:
        yield started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "app.ndjson").write_bytes(messages(0, COUNT))
    return tmp_path


def no_large_files() -> None:
    """As on a full disk: nothing of more than 20 kB can be written."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_a_full_disk_loses_nothing_and_shows_nothing_half_written(
    folder: Path, births: Nursery
) -> None:
    ports = make_ports(folder, slice_bytes=64 << 20)
    done = births.run(ports, no_large_files)
    assert isinstance(done.error, EnvironmentProblem | LakeError)
    assert done.error.remedy
    assert list((folder / "lake").rglob("part-*.parquet")) == []
    assert births.run(ports).code == 0
    assert stored(folder) == expected(range(COUNT))
    assert globbed(folder) == expected(range(COUNT)).rows


def test_a_lake_that_cannot_be_written(folder: Path, births: Nursery) -> None:
    (folder / "lake").write_text("a file where a folder is needed")
    done = births.run(make_ports(folder))
    assert isinstance(done.error, EnvironmentProblem)
    assert done.code == 3
    assert str(folder / "lake") in done.error.where
    (folder / "lake").unlink()
    assert births.run(make_ports(folder)).code == 0
    assert stored(folder) == expected(range(COUNT))


def test_an_opt_out_list_that_was_there_and_is_gone(folder: Path, births: Nursery) -> None:
    ports = make_ports(folder)
    path = folder / "state" / "optout.ndjson"
    listed = OptOutFile(path, ports.keys().permanent_key("optout"))
    listed.add(["account-1"], datetime(2026, 11, 1, tzinfo=UTC))
    path.unlink()
    done = births.run(ports)
    assert isinstance(done.error, OptOutStale)
    assert done.code == 4
    assert not (folder / "lake").exists()


def test_opted_out_accounts_are_dropped_and_counted(folder: Path, births: Nursery) -> None:
    ports = make_ports(folder)
    path = folder / "state" / "optout.ndjson"
    listed = OptOutFile(path, ports.keys().permanent_key("optout"))
    listed.add(["account-1", "account-2"], datetime(2026, 11, 1, tzinfo=UTC))
    summary = births.run(ports).summary
    assert summary["dropped"] == {"opt_out": 8}
    assert summary["read"] == COUNT
    assert stored(folder).rows == expected(range(COUNT)).rows - 8


def test_a_key_that_is_listed_and_missing(folder: Path, births: Nursery) -> None:
    ports = make_ports(folder)
    assert births.run(ports).code == 0
    for key in (folder / "state" / "keys").glob("*week*"):
        key.unlink()
    (folder / "in" / "more.ndjson").write_bytes(messages(COUNT, COUNT + 10))
    done = births.run(ports)
    assert isinstance(done.error, KeyUnavailable)
    assert done.code == 4
    assert stored(folder) == expected(range(COUNT))


def test_a_shrunk_input(folder: Path, births: Nursery) -> None:
    assert births.run(make_ports(folder)).code == 0
    os.truncate(folder / "in" / "app.ndjson", 1_000)
    done = births.run(make_ports(folder))
    assert isinstance(done.error, SourceError)
    assert done.code == 1
    assert done.error.where == str(folder / "in" / "app.ndjson")
    assert stored(folder) == expected(range(COUNT))


def test_a_missing_input(folder: Path, births: Nursery) -> None:
    done = births.run(make_ports(folder, folder / "nothing.ndjson"))
    assert done.code == 3
    assert isinstance(done.error, EnvironmentProblem)
    assert "nothing.ndjson" in done.error.where


def test_binary_input_is_refused_line_by_line(folder: Path, births: Nursery) -> None:
    noise = os.urandom(200_000) + b"\n"
    (folder / "in" / "noise.bin").write_bytes(noise)
    summary = births.run(make_ports(folder)).summary
    lines = [line for line in noise.split(b"\n") if line not in (b"", b"\r")]
    assert summary["read"] == COUNT + len(lines)
    assert summary["written"] == expected(range(COUNT)).rows


def test_a_gigabyte_without_a_line_end_takes_no_memory(folder: Path, births: Nursery) -> None:
    with (folder / "in" / "long.ndjson").open("wb") as file:
        file.truncate(1 << 30)  # sparse: zeros
        file.seek(0, os.SEEK_END)
        file.write(b"\n")
    done = births.run(make_ports(folder))
    assert done.error is None
    assert done.summary["rejected"]["too_large"] == 1
    assert done.summary["peak_mib"] < 500


def test_an_unended_line_is_reported(folder: Path, births: Nursery) -> None:
    with (folder / "in" / "app.ndjson").open("ab") as file:
        file.write(b'{"event":')
    assert births.run(make_ports(folder)).summary["unread_bytes"] == len(b'{"event":')
