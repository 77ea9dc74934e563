"""What was published is made again of the rows: equal, or explained, or a finding."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline.io.lake.lake import Lake
from pipeline.io.lake.publications import RollupStore
from pipeline.ops.audit import recomputed
from pipeline.ops.audit.recomputed import Recomputation, Recomputed, Removal, recompute
from pipeline.ops.rollup import plan
from pipeline.ops.rollup.lake_files import StoredDays
from pipeline.ops.rollup.load import DayFiles
from pipeline.ops.rollup.pipeline_metrics import Facts
from pipeline.ops.rollup.publication import PUBLISHED
from pipeline.ops.rollup.registry import Registry
from pipeline.ops.rollup.run import Contents, RollupSettings, roll_up
from pipeline.privacy.figures.gate import Rule
from tests.dashboards import REGISTRY, SECRET
from tests.lake_rows import EPOCH, SCHEMAS, World, copied, write_lake

pytestmark = pytest.mark.slow

FIRST = date(2026, 10, 5)
DAYS = 15
AT = datetime(2026, 10, 20, 12, tzinfo=UTC)
LATER, BEFORE = AT + timedelta(hours=3), AT - timedelta(hours=3)
CHANGED = FIRST + timedelta(days=3)
SECOND = FIRST + timedelta(days=7)
ROWS = [metric.name for metric in REGISTRY.metrics.values() if metric.population]


def roll(root: Path, files: Sequence[DayFiles], at: datetime = AT, rule: Rule = Rule()) -> None:  # noqa: B008
    contents = Contents(REGISTRY, files, SCHEMAS, Facts())
    roll_up(contents, RollupStore(str(root)), RollupSettings(SECRET, rule=rule), at, time.monotonic)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[DayFiles]]:
    root = tmp_path_factory.mktemp("lake")
    files = write_lake(root, World(FIRST, DAYS, 10_000, accounts=300))
    roll(root, files)
    return root, files


@pytest.fixture
def lake(made: tuple[Path, list[DayFiles]], tmp_path: Path) -> tuple[Path, list[DayFiles]]:
    root = tmp_path / "lake"
    return root, copied(*made, root)


def looked(
    root: Path,
    files: Sequence[DayFiles],
    *removals: Removal,
    added: datetime = BEFORE,
    registry: Registry = REGISTRY,
    now: datetime = LATER,
    everything: bool = False,
) -> Recomputed:
    """Recompute; every file was added at the same time."""
    days = StoredDays(files, {(file.event, file.day): added for file in files}, direct=True)
    lake = Lake(str(root))
    published = Recomputation(
        lake, registry, SCHEMAS, SECRET, EPOCH, now, removals, everything=everything
    )
    return recompute(published, days)


def figures(root: Path) -> int:
    tables = [RollupStore(str(root)).read(name, PUBLISHED) for name in ROWS]
    return sum(table.num_rows - table["made_of"].null_count for table in tables)


def keep(files: Sequence[DayFiles], wanted: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows of one day of requests."""
    (file,) = [one for one in files if one.event == "api_request" and one.day == CHANGED]
    with pq.ParquetFile(file.uris[0]) as source:
        table = wanted(source.read())
    pq.write_table(table, file.uris[0])


def without_accounts(count: int) -> Callable[[pa.Table], pa.Table]:
    def wanted(table: pa.Table) -> pa.Table:
        some = pc.unique(table["subject"]).drop_null().sort()[:count]
        return table.filter(
            pc.fill_null(pc.invert(pc.is_in(table["subject"], value_set=some)), True)
        )

    return wanted


def with_more(table: pa.Table) -> pa.Table:
    """Rows that look like others, of events of their own."""
    late = table.slice(0, 200)
    at = table.schema.get_field_index("event_token")
    late = late.set_column(at, table.schema.field(at), pa.nulls(200, table.schema.field(at).type))
    return pa.concat_tables([table, late])


def reasons(done: Recomputed) -> set[str]:
    return {one.reason for one in done.findings}


def test_every_figure_of_the_same_rows_is_equal(lake: tuple[Path, list[DayFiles]]) -> None:
    done = looked(*lake)
    assert (done.equal, done.moved, done.gone) == (figures(lake[0]), 0, 0)
    assert done.equal > 500
    assert not done.findings
    assert not done.doubts


def test_rows_that_went_without_a_word_are_a_finding(lake: tuple[Path, list[DayFiles]]) -> None:
    keep(lake[1], without_accounts(1))
    done = looked(*lake)
    assert reasons(done) == {"made of other rows, and nothing says what changed"}
    assert 0 < done.equal < figures(lake[0])


def test_an_erasure_with_its_receipt_explains_what_it_changed(
    lake: tuple[Path, list[DayFiles]],
) -> None:
    keep(lake[1], without_accounts(1))
    done = looked(*lake, Removal(LATER, frozenset({"1"})))
    assert not done.findings
    assert done.moved > 0
    assert done.equal + done.moved == figures(lake[0])
    earlier = looked(*lake, Removal(BEFORE, frozenset({"1"})))
    assert reasons(earlier) == {"made of other rows, and nothing says what changed"}


def test_more_accounts_are_missing_than_were_erased(lake: tuple[Path, list[DayFiles]]) -> None:
    keep(lake[1], without_accounts(60))
    done = looked(*lake, Removal(LATER, frozenset({"1"})))
    assert reasons(done) == {"cells of fewer accounts than published"}
    assert {one.checks for one in done.findings} == {("figures_recomputed", "aggregates_gated")}
    sixty = frozenset(str(number) for number in range(60))
    assert not looked(*lake, Removal(LATER, sixty)).findings


def test_late_rows_explain_that_a_cell_is_larger_now(lake: tuple[Path, list[DayFiles]]) -> None:
    keep(lake[1], with_more)
    assert reasons(looked(*lake)) == {"made of other rows, and nothing says what changed"}
    done = looked(*lake, added=LATER)
    assert not done.findings
    assert done.moved > 0


def test_corrections_are_compared_with_the_rows_that_they_were_made_of(
    lake: tuple[Path, list[DayFiles]],
) -> None:
    root, files = lake
    (changed,) = [one for one in files if one.event == "api_request" and one.day == CHANGED]
    whole = Path(changed.uris[0]).read_bytes()
    keep(files, without_accounts(100))
    shutil.rmtree(root / "rollups")
    roll(root, [replace(one, digest="0" * 16) if one == changed else one for one in files])
    Path(changed.uris[0]).write_bytes(whole)
    roll(root, files, AT + timedelta(hours=1))
    revisions = [RollupStore(str(root)).read(name, PUBLISHED)["revision"] for name in ROWS]
    assert any(pc.max(one).as_py() for one in revisions if len(one))
    done = looked(root, files, added=AT + timedelta(minutes=30), now=AT + timedelta(hours=2))
    assert not done.findings
    assert done.equal > 0
    assert done.moved > 0
    assert done.equal + done.moved == figures(root)


def test_figures_of_two_rules_are_each_made_again_by_their_own(
    lake: tuple[Path, list[DayFiles]],
) -> None:
    root, files = lake
    shutil.rmtree(root / "rollups")
    roll(root, [one for one in files if one.day < SECOND], AT, Rule(accounts=30))
    roll(root, files, AT + timedelta(hours=1))
    done = looked(root, files, now=AT + timedelta(hours=2))
    assert not done.findings
    assert done.equal == figures(root)


def test_what_was_made_by_another_definition_is_not_verified(
    lake: tuple[Path, list[DayFiles]],
) -> None:
    metric = replace(REGISTRY.metrics["requests"], measure="1")
    others = replace(REGISTRY, metrics={**REGISTRY.metrics, "requests": metric})
    done = looked(*lake, registry=others)
    assert not done.findings
    assert {one.place for one in done.doubts} == {"lake/rollups/requests"}


def test_windows_of_too_many_rows_are_not_verified_unless_all_are_asked_for(
    lake: tuple[Path, list[DayFiles]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "BATCH_ROWS", 4_000)
    monkeypatch.setattr(recomputed, "MOST_ROWS", 10_000)
    done = looked(*lake)
    assert not done.findings
    # Days and weeks were made again, but for what compares the second week with the first.
    assert {one.reason for one in done.doubts} == {recomputed.TOO_MANY}
    compared = {"lifecycle", "retention_week"}
    assert {one.place.rpartition("/")[2] for one in done.doubts} == compared
    store = RollupStore(str(lake[0]))
    left = sum(
        pc.sum(pc.equal(store.read(name, PUBLISHED)["first_day"], pa.scalar(SECOND))).as_py()
        for name in compared
    )
    assert left > 0
    assert done.equal == figures(lake[0]) - left
    whole = looked(*lake, everything=True)
    assert (whole.equal, whole.doubts) == (figures(lake[0]), [])


def test_what_has_no_rows_any_more_is_counted_apart(lake: tuple[Path, list[DayFiles]]) -> None:
    root, files = lake
    # The week that is left rested on the one before, which has expired by now.
    done = looked(root, [f for f in files if f.day >= SECOND], now=AT + timedelta(days=85))
    assert not done.findings
    assert done.gone > 0
    assert done.equal + done.moved + done.gone == figures(root)
