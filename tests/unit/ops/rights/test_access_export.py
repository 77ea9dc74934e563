"""An export has everything of one account, nothing of anybody else, and is private."""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import LakeError, UsageError
from pipeline.io.package_data import load_schemas
from pipeline.io.rights.request_queue import RequestKind
from pipeline.ops.rights import access_export as exporting
from pipeline.ops.rights.access_export import FORMULA_STARTS, Exported, cell, export_account
from pipeline.privacy.optout import Standing
from tests.unit.ops.rights.desk import T0, World, days_back

ROWS = [(account, day) for day in days_back(1, 2, 12, 40) for account in "aab"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.store(ROWS)
    return world


def export(world: World, account: str, out: Path) -> Exported:
    standing = Standing(intervals=((0, 1_000_000),))
    return export_account(world.lake, load_schemas(), world.subjects(account), standing, T0, out)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "api_request.jsonl").read_text().splitlines()]


def test_every_epoch_is_in_it_and_nobody_else(world: World, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export(world, "a", out).total == 8
    rows = lines(out)
    mine = world.of("a")
    expected = [row for row in world.rows() if row[1] in mine]
    found = [(row["event_token"], row["subject"], row["route"], row["event_date"]) for row in rows]
    assert sorted(found, key=repr) == expected
    assert len({row["subject"] for row in rows}) == 3  # three of the weeks
    for file in out.iterdir():
        assert not [token for token in world.of("b") if token in file.read_text()]


def test_restricted_rows_are_in_it_and_marked(world: World, tmp_path: Path) -> None:
    world.ask(RequestKind.RESTRICT, "a")
    world.work()
    world.store([("a", day) for day in days_back(1)], topic="late")
    export(world, "a", tmp_path / "out")
    assert sorted(row["restricted"] for row in lines(tmp_path / "out")) == [False, *[True] * 8]


def test_csv_has_the_same_rows(world: World, tmp_path: Path) -> None:
    export(world, "a", tmp_path / "out")
    with (tmp_path / "out" / "api_request.csv").open(newline="") as file:
        sheet = list(csv.DictReader(file))
    assert [row["event_token"] for row in sheet] == [
        row["event_token"] for row in lines(tmp_path / "out")
    ]


def test_only_its_owner_can_read_it(world: World, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(world, "a", out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in out.iterdir()} == {0o600}
    assert {file.name for file in out.iterdir()} == {
        "README.md",
        "api_request.csv",
        "api_request.jsonl",
        "standing.json",
    }


def test_the_readme_explains_every_column(world: World, tmp_path: Path) -> None:
    export(world, "a", tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    assert not [name for name in lines(tmp_path / "out")[0] if f"| `{name}` |" not in text]


def test_what_was_asked_for_is_in_it(world: World, tmp_path: Path) -> None:
    export(world, "a", tmp_path / "out")
    standing = json.loads((tmp_path / "out" / "standing.json").read_text())
    assert standing["opted_out"] == [
        {"from": "1970-01-01T00:00:00.000000Z", "to": "1970-01-01T00:00:01.000000Z"}
    ]


def test_a_folder_that_exists_is_refused(world: World, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(world, "b", out)
    with pytest.raises(UsageError, match="new folder"):
        export(world, "a", out)
    assert {row["subject"] for row in lines(out)} <= world.of("b")


def test_a_failure_leaves_nothing_behind(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def everything(source: Any, marks: Any) -> Any:
        del marks
        return iter([source.read()])

    monkeypatch.setattr(exporting, "marked_groups", everything)
    with pytest.raises(LakeError, match="another account"):
        export(world, "a", tmp_path / "exports" / "out")
    assert list((tmp_path / "exports").iterdir()) == []


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_no_text_is_a_formula(start: str) -> None:
    assert str(cell(f"{start}HYPERLINK(1)")).startswith("'")
    assert str(cell([f"{start}1", "b"])).startswith("'")


def test_numbers_stay_numbers() -> None:
    assert (cell(-1), cell(-1.5), cell(None), cell(True)) == (-1, -1.5, "", "true")
