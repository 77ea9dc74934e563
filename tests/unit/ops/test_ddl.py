"""Statements for other engines: complete, commented, with the day-89 view."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from pipeline.io.package_data import load_schemas
from pipeline.ops.ddl import ENGINES, ddl

SCHEMAS = [versions[-1] for _, versions in sorted(load_schemas().items())]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_column_is_named_typed_and_commented(engine: str) -> None:
    text = ddl(engine, SCHEMAS, "s3://bucket/lake/")
    assert "//events" not in text
    for schema in SCHEMAS:
        assert f"s3://bucket/lake/events/{schema.event}" in text
        for column in schema.columns:
            assert column.name in text
            if column.name != "event_date":
                comment = column.comment.replace(";", ",")
                assert any(comment.replace("'", quote) in text for quote in ("''", "\\'"))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_semicolon_ends_a_statement_and_stands_nowhere_else(engine: str) -> None:
    """`spark.sql` takes one statement; a comment with a semicolon was cut in two."""
    assert any(";" in column.comment for schema in SCHEMAS for column in schema.columns)
    *statements, rest = ddl(engine, SCHEMAS, "/lake").split(";")
    assert rest.strip() == ""
    assert {statement.split()[0] for statement in statements} <= {
        *("CREATE", "COMMENT", "MSCK", "CALL")
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_hides_old_days(engine: str) -> None:
    text = ddl(engine, SCHEMAS, "/lake")
    assert text.count("89") == len(SCHEMAS)
    assert text.count("CREATE OR REPLACE VIEW") == len(SCHEMAS)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_lake_whose_path_has_a_quote_stays_one_text(engine: str) -> None:
    assert "'/it's" not in ddl(engine, SCHEMAS, "/it's")


def test_duckdb_runs_its_statements(tmp_path: Path) -> None:
    from tests.unit.ops.test_views import TODAY, narrow, part

    schema = next(schema for schema in SCHEMAS if schema.event == "api_request")
    part(tmp_path / "events" / "api_request", TODAY, narrow(1))
    text = ddl("duckdb", [schema], str(tmp_path))
    columns = {column.name for column in schema.columns} - {"event_date", "event_hour", "route"}
    with duckdb.connect() as database:
        # The file of this test has two columns only; a real one has them all.
        for name in columns:
            text = text.replace(f"CAST({name} AS ", "CAST(NULL AS ")
        database.execute(text)
        rows = database.execute("SELECT event_hour, route FROM api_request").fetchall()
        comments = database.execute(
            "SELECT count(*) FROM duckdb_columns() WHERE comment IS NOT NULL"
        ).fetchall()
    assert rows in ([(1, "/a")], [])  # empty once the fixed day is 89 days old
    assert comments == [(len(schema.columns),)]
