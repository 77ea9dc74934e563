"""`telemetry seal` and `telemetry rollup`, whole, on an object store that loses its answers.

The same commands on a local lake with the same rows say what there has to be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import main
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.publications import RollupStore
from tests.integration.services.faulty_s3 import LOG_ENTRY, FaultyS3, Rule, faulty_s3
from tests.integration.test_rollup_s3 import FIRST, NOW, figures, fill, settings_of
from tests.lake_rows import SCHEMAS

pytestmark = pytest.mark.service
DAYS = [FIRST + timedelta(days=number) for number in range(2)]
LOST = ("lost", "lost_cut", "late")
RULES = [
    *(Rule("PUT", LOG_ENTRY, fault, times=2, seconds=0.2) for fault in LOST),
    *(Rule("POST", r"rollups.*uploadId", fault, times=1, seconds=0.2) for fault in LOST),
    Rule("PUT", r"rollups/manifest", "lost_cut", times=1),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyS3]:
    with faulty_s3(tmp_path_factory.mktemp("moto")) as started:
        yield started


def command(config: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Run a command; a scheduler runs it again if it could not know the outcome."""
    for _ in range(3):
        code = main([*words, "--config", str(config), "--now", NOW, "--json"])
        out, err = capsys.readouterr()
        if code == 0:
            found: dict[str, Any] = json.loads(out)
            return found
        assert json.loads(err.strip().splitlines()[-1])["error"]["code"] == "outcome-unknown"
    raise AssertionError("the command never comes to its end")


def stored(lake: Lake) -> dict[str, list[tuple[object, ...]]]:
    """The rows of every event, whatever their order in the files."""
    found = {}
    for event, schema in SCHEMAS.items():
        table = lake.events(event, schema)
        rows: list[tuple[object, ...]] = []
        for file in table.snapshot().files:
            read = table.storage.read(file.path).to_pylist()
            rows += [(file.day, *map(str, row.values())) for row in read]
        found[event] = sorted(rows, key=repr)
    return found


def test_seal_and_rollup_come_to_the_same_end_when_answers_are_lost(
    server: FaultyS3,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.fail()
    monkeypatch.setenv("LAKE_SECRET", server.options["AWS_SECRET_ACCESS_KEY"])
    # A name with a dot would be a table of TOML.
    given = {name: value for name, value in server.options.items() if "." not in name}
    given["AWS_SECRET_ACCESS_KEY"] = "env:LAKE_SECRET"
    url, local = server.at("lake"), str(tmp_path / "lake")
    lakes = {"bucket": Lake(url, server.options), "local": Lake(local)}
    configs = {
        "bucket": settings_of(tmp_path, url, given),
        "local": settings_of(tmp_path, local, {}),
    }
    for lake in lakes.values():
        fill(lake, DAYS)
        fill(lake, DAYS)  # so that a day has files to merge
    told = {}
    for name, config in configs.items():
        if name == "bucket":
            server.fail(*RULES)
        sealed = command(config, capsys, "seal")
        rolled = command(config, capsys, "rollup")
        told[name] = [sealed.keys(), rolled["days"]]
    struck = server.struck()
    server.fail()
    assert sum(struck[:3]) == 6
    assert sum(struck[3:]) > 0
    assert told["bucket"] == told["local"]
    assert stored(lakes["bucket"]) == stored(lakes["local"])
    for event, schema in SCHEMAS.items():
        files = lakes["bucket"].events(event, schema).snapshot().files
        assert len(files) == len(DAYS), event
    assert lakes["bucket"].missing_files() == ()
    shown = figures(RollupStore(url, server.options)), figures(RollupStore(local))
    assert shown[0].keys() == shown[1].keys()
    assert all(shown[0][metric].equals(shown[1][metric]) for metric in shown[1])
