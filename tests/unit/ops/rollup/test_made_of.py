"""Figures of the same rows say that they are, and figures of others do not."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.ops.rollup.contributions import load
from pipeline.ops.rollup.load import DayFiles
from pipeline.ops.rollup.made_of import FORM, MadeOf, keys_of, reach
from pipeline.ops.rollup.publication import Method
from pipeline.ops.rollup.registry import Registry, Window
from pipeline.ops.rollup.sql import passes
from pipeline.privacy.figures.gate import Rule
from pipeline.privacy.figures.perturbation import Perturbation
from pipeline.privacy.identity.epochs import EpochKind
from tests.dashboards import REGISTRY, SECRET
from tests.lake_rows import EPOCH, SCHEMAS, World, write_lake

FIRST = date(2026, 10, 5)
AT = datetime(2026, 11, 9, 12, tzinfo=UTC)
WEEKS = [FIRST, FIRST + timedelta(days=7)]


def origins(
    files: list[DayFiles], registry: Registry = REGISTRY, rule: Rule | None = None, **method: object
) -> dict[tuple[str, str, date], str]:
    """What the weekly figures of requests by model, and the daily ones, are made of."""
    secret = method.get("secret", SECRET)
    assert isinstance(secret, bytes)
    how = Method(EPOCH, rule or Rule(), Perturbation(secret), AT)
    found: dict[tuple[str, str, date], str] = {}
    with load(registry, files, SCHEMAS, EPOCH) as loaded:
        made_of = MadeOf.of(loaded, registry, how, keys_of(loaded, how.noise))
        for task in passes(registry, (Window.DAY, Window.WEEK)):
            if registry.metrics["requests"] in task.metrics and task.by in ((), ("model",)):
                starts = WEEKS if task.by else [FIRST + timedelta(days=n) for n in range(14)]
                for start in starts:
                    key = task.window.value, ",".join(task.by), start
                    found[key] = made_of(registry.metrics["requests"], task, start)
    return found


def lake(root: Path) -> list[DayFiles]:
    return write_lake(root, World(FIRST, 14, 4_000, accounts=200))


def without_a_row(files: list[DayFiles], day: date) -> list[DayFiles]:
    """The same files, one of them with a row less."""
    for file in files:
        if file.event == "api_request" and file.day == day:
            with pq.ParquetFile(file.uris[0]) as source:
                table = source.read()
            pq.write_table(table.slice(1), file.uris[0])
    return files


def test_an_origin_is_of_the_form_that_an_audit_knows(tmp_path: Path) -> None:
    assert all(re.fullmatch(FORM, one) for one in origins(lake(tmp_path)).values())


def test_the_same_rows_in_other_files_have_the_same_origin(tmp_path: Path) -> None:
    files = lake(tmp_path)
    before = origins(files)
    cut: list[DayFiles] = []
    for file in files:
        with pq.ParquetFile(file.uris[0]) as source:
            table = source.read()
        halves = [Path(file.uris[0]).with_name(f"half-{n}.parquet") for n in (0, 1)]
        middle = table.num_rows // 2
        for half, rows in zip(halves, (table.slice(middle), table.slice(0, middle)), strict=True):
            pq.write_table(rows, half)
        cut.append(replace(file, uris=tuple(map(str, halves))))
    assert origins(cut) == before


def test_a_row_less_changes_the_windows_that_rest_on_it_and_no_other(tmp_path: Path) -> None:
    files = lake(tmp_path)
    before = origins(files)
    day = FIRST + timedelta(days=2)
    after = origins(without_a_row(files, day))
    changed = {key for key, origin in after.items() if before[key] != origin}
    # A week is compared with the one before, so both weeks rest on the first one's rows.
    assert changed == {("day", "", day), *(("week", "model", start) for start in WEEKS)}


def test_rule_definition_and_secret_each_give_another_origin(tmp_path: Path) -> None:
    files = lake(tmp_path)
    before = origins(files)["week", "model", FIRST].split("/")
    metric = replace(REGISTRY.metrics["requests"], measure="1")
    others = replace(REGISTRY, metrics={**REGISTRY.metrics, "requests": metric})

    def differing(after: dict[tuple[str, str, date], str]) -> list[bool]:
        parts = after["week", "model", FIRST].split("/")
        return [one != other for one, other in zip(before, parts, strict=True)]

    assert differing(origins(files, rule=Rule(30, 0.5))) == [True, True, False, False]
    assert differing(origins(files, registry=others)) == [False, False, True, False]
    assert differing(origins(files, secret=bytes(32))) == [False, False, True, True]


def test_a_week_rests_on_the_one_before_inside_its_key_epoch() -> None:
    kind = EpochKind.FOUR_WEEKS
    assert reach(FIRST, Window.DAY, kind).days() == [FIRST]
    assert reach(FIRST, Window.WEEK, kind).start == FIRST  # a key period begins here
    assert reach(FIRST + timedelta(days=7), Window.WEEK, kind).start == FIRST
    assert len(reach(FIRST, Window.PERIOD, kind).days()) == 28
