"""Every packaged format at once, from files to the lake: all rows, nothing else, no canary."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.cli.main import main
from pipeline.events.model import Reason
from tests.formats.files import FORMATS, file_of
from tests.formats.requests import CANARY

REQUESTS = 200


def write_files(folder: Path) -> tuple[int, int]:
    """A file of each format, and settings that name them; how many events and rejections."""
    config = [f'lake.path = "{folder}/lake"', f'state.path = "{folder}/state"']
    rows = rejected = 0
    for number, name in enumerate(FORMATS):
        file = file_of(name, REQUESTS, seed=number)
        path = folder / "logs" / f"{name}.log"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"".join(line + b"\n" for line in file.lines))
        config += [f"[sources.{name}]", f'files = ["{path}"]', f'format = "{name}"']
        records = [one for found in file.expected for one in found]
        refused = [one for one in records if isinstance(one, Reason)]
        rows += len(records) - len(refused)
        # Lines of nothing but spaces and a carriage return are no blank lines to the reader.
        rejected += len(refused)
    (folder / "telemetry.toml").write_text("\n".join(config) + "\n", "utf-8")
    return rows, rejected


def test_logs_of_every_format_end_in_the_lake_without_a_canary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, rejected = write_files(tmp_path)
    words = ["--config", str(tmp_path / "telemetry.toml"), "--now", "2026-11-24T12:00:00Z"]
    assert main(["run", "--once", "--json", *words]) == 0
    told = capsys.readouterr()
    account = json.loads(told.out)
    signals = account["dropped"].get("signal", 0)
    assert account["read"] == rows + rejected
    assert account["written"] == rows - signals
    assert signals > 0
    assert sum(account["rejected"].values()) == rejected
    assert CANARY not in told.out + told.err
    assert "source aws_alb: this format carries no account_id" in told.err
    stored = [path for path in (tmp_path / "lake").rglob("*") if path.is_file()]
    for path in stored:
        assert CANARY.encode() not in path.read_bytes()
        if path.suffix == ".parquet":
            assert CANARY not in str(pq.ParquetFile(path).read().to_pylist())
    state = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert not any(CANARY.encode() in path.read_bytes() for path in state)
