"""A lake is read as `telemetry sql` shows it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pytest

from pipeline import api
from pipeline.errors import EnvironmentProblem, UsageError
from tests.unit.cli.commands.tiny import NOW, Tiny

TODAY = datetime.fromisoformat(NOW)


def opened(tiny: Tiny, days: int = 0) -> api.LakeReader:
    """The lake of `tiny`, that many days later."""
    flags = {"lake.path": str(tiny.lake), "state.path": str(tiny.state)}
    settings = api.load_settings(flags=flags, environ={})
    return api.open_lake(settings, now=lambda: TODAY + timedelta(days=days))


def test_datasets_views_and_the_command_agree(tiny: Tiny) -> None:
    query = "SELECT route, count(*)::INT AS n FROM api_request GROUP BY route ORDER BY route"
    with opened(tiny) as lake:
        assert lake.sql(query).to_pylist() == tiny.call("sql", query)
        dataset = lake.dataset("api_request")
        assert dataset.count_rows() == 1500
        assert dataset.schema.equals(api.schemas()["api_request"], check_metadata=True)
        (count,) = lake.connection().sql("SELECT count(*) FROM api_request").fetchall()
        assert count == (1500,)


def test_tables_without_rows_are_there_and_empty(tiny: Tiny) -> None:
    with opened(tiny) as lake:
        assert set(lake.tables) == {*api.schemas(), "rejections"}
        assert {name: lake.dataset(name).count_rows() for name in lake.tables} == {
            "api_request": 1500,
            "error_log": 0,
            "feature_use": 0,
            "session": 0,
            "rejections": 0,
        }


def test_days_are_hidden_from_their_89th_on(tiny: Tiny) -> None:
    with opened(tiny) as lake:
        first = pc.min(lake.dataset("api_request").to_table()["event_date"]).as_py()
    late = 89 - (TODAY.date() - first).days
    with opened(tiny, days=late) as lake:
        seen = lake.dataset("api_request").to_table()["event_date"]
        assert pc.min(seen).as_py() == first + timedelta(days=1)
        assert lake.sql("SELECT count(*) AS n FROM api_request")["n"][0].as_py() == len(seen)


def test_restricted_rows_are_in_no_table(tiny: Tiny) -> None:
    tiny.say("restrict", tiny.account)
    tiny.say("requests", "work")
    with opened(tiny) as lake:
        assert lake.dataset("api_request").count_rows() == 1500 - tiny.rows
        assert not any("restricted" in name for name in lake.tables)


def test_a_snapshot_is_that_of_the_first_look(tiny: Tiny) -> None:
    with opened(tiny) as lake:
        assert lake.sql("SELECT 1 AS one")["one"].to_pylist() == [1]
        again = lake.connection()
        assert lake.connection() is again
        lake.close()
        assert lake.connection() is not again


def test_a_snapshot_whose_files_a_job_has_removed_is_replaced(tiny: Tiny) -> None:
    with opened(tiny) as lake:
        before = lake.connection()
        tiny.say("seal")
        assert lake.sql("SELECT count(*) AS n FROM api_request")["n"].to_pylist() == [1500]
        assert lake.connection() is not before


@pytest.mark.parametrize("query", ["DROP VIEW session", "SELECT * FROM '/etc/passwd'", "SELEC"])
def test_only_what_reads_the_lake_is_run(tiny: Tiny, query: str) -> None:
    with opened(tiny) as lake, pytest.raises(UsageError):
        lake.sql(query)


def test_a_table_or_a_lake_that_is_not_there_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    with opened(tiny) as lake, pytest.raises(UsageError, match="Use one of api_request"):
        lake.dataset("restricted/api_request")
    settings = api.load_settings(flags={"lake.path": str(tmp_path / "none")}, environ={})
    with pytest.raises(EnvironmentProblem, match="no lake here"):
        api.open_lake(settings)
