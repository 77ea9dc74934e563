"""`telemetry rollup` and `telemetry dashboard`, on a lake of the pipeline's own making."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.cli.main import main
from pipeline.events.model import CleanBatch, Span
from pipeline.io.lake.lake import Lake
from tests.lake_rows import SCHEMAS, World, day_rows

NOW = "2026-11-23T12:00:00Z"
DAYS = [date(2026, 11, 20) + timedelta(days=number) for number in range(3)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Delta lake of three days, written by the lake itself."""
    import numpy as np

    root = tmp_path_factory.mktemp("made")
    lake = Lake(str(root / "lake"))
    world = World(DAYS[0], 3, 6_000, accounts=300)
    random = np.random.default_rng(1)
    for event, schema in SCHEMAS.items():
        rows = pa.concat_tables([day_rows(event, day, 2_000, world, random) for day in DAYS])
        [batch] = rows.combine_chunks().to_batches()
        span = Span("file", event, 0, 0, batch.num_rows)
        lake.events(event, schema).commit(CleanBatch(span, event, batch.num_rows, batch))
    return root


@pytest.fixture
def lake(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made / "lake", tmp_path / "lake")
    return tmp_path / "lake"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main([*words, "--now", NOW, "--json"]) == 0
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return document


def test_closed_days_are_published_once_and_shown(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = ("--state", str(tmp_path / "state"))
    report = run(capsys, "rollup", "--lake", str(lake), *state)
    assert report["days"] == 3
    assert (lake / "rollups" / "requests" / "requests.parquet").is_file()
    assert run(capsys, "rollup", "--lake", str(lake), *state)["windows"] == 0
    built = run(capsys, "dashboard", "build", "--lake", str(lake), "--out", str(tmp_path / "site"))
    page = Path(str(built["page"])).read_text("utf-8")
    assert '"last_day":"2026-11-22"' in page
    assert '"completeness|day|"' in page


def test_an_empty_lake_has_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--lake", str(tmp_path / "lake"), "--out", str(tmp_path / "site"))
    assert run(capsys, "dashboard", "build", *words)["bytes"]
    state = ("--state", str(tmp_path / "state"))
    assert run(capsys, "rollup", *words[:2], *state)["windows"] == 0
    assert run(capsys, "dashboard", "build", *words)["bytes"]


def test_the_floor_of_the_group_size_holds(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollup", "--lake", str(lake), "--min-accounts", "10"]) == 2
    assert "--min-accounts" in capsys.readouterr().err


def test_annotations_that_do_not_load_stop_the_build(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = tmp_path / "notes.toml"
    notes.write_text("[[annotation]]\nday = 1\n")
    words = ["dashboard", "build", "--lake", str(lake), "--out", str(tmp_path / "site")]
    assert main([*words, "--annotations", str(notes)]) == 3
    assert "an annotation has day, kind and text" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_a_release_is_made_once(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["rollup", "--lake", str(lake), "--state", str(tmp_path / "state"), "--now", NOW]
    out = tmp_path / "out"
    assert main([*words, "--release", str(out)]) == 0
    files = {path.name: path.read_bytes() for path in out.iterdir()}
    assert sorted(files) == [
        "release-2026-11-20-to-2026-11-22.csv",
        "release-2026-11-20-to-2026-11-22.json",
    ]
    assert main([*words, "--release", str(out)]) == 4
    assert {path.name: path.read_bytes() for path in out.iterdir()} == files
    assert "budget" in capsys.readouterr().err
