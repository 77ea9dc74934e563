"""`telemetry sql`: the lake's rows in three shapes; reading only, and the lake only."""

from __future__ import annotations

import io

import pytest

from pipeline.cli.commands.sql import as_objects
from tests.unit.cli.commands.tiny import Tiny

QUERY = "SELECT 1 AS one, NULL AS none, 'a,b' AS text"


def test_rows_come_as_a_table_as_json_and_as_csv(tiny: Tiny) -> None:
    assert tiny.say("sql", QUERY)[0].splitlines() == [
        "one  none  text",
        "---  ----  ----",
        "  1     -  a,b",
    ]
    assert tiny.call("sql", QUERY) == [{"one": 1, "none": None, "text": "a,b"}]
    assert tiny.say("sql", "--format", "csv", QUERY)[0] == 'one,none,text\n1,,"a,b"\n'
    assert "exclude each other" in tiny.refused("sql", "--format", "csv", QUERY, code=2)


def test_a_table_is_cut_and_says_so(tiny: Tiny) -> None:
    out, err = tiny.say("sql", "--limit", "2", "SELECT subject FROM api_request")
    assert len(out.splitlines()) == 4
    assert "1,498 more rows" in err


@pytest.mark.parametrize(
    "query", ["DROP VIEW api_request", "SELECT 1; SELECT 2", "SELECT * FROM '/etc/passwd'", "SELEC"]
)
def test_what_does_not_read_the_lake_is_refused(tiny: Tiny, query: str) -> None:
    tiny.refused("sql", query, code=2)


def test_a_query_is_read_from_standard_input(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT count(*) AS n FROM rejections"))
    assert tiny.call("sql", "-") == [{"n": 0}]


def test_numbers_that_json_does_not_know_become_null() -> None:
    rows = [(float("nan"), float("inf"), 1.5)]
    assert as_objects(["a", "b", "c"], rows) == [{"a": None, "b": None, "c": 1.5}]
