"""The demo's questions are queries that the lake's views answer, and name no identifier."""

from __future__ import annotations

import duckdb
import pytest

from pipeline.demo.questions import QUESTIONS, Question
from pipeline.io.package_data import load_schemas


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.title)
def test_a_question_is_answered_over_the_stored_columns(question: Question) -> None:
    with duckdb.connect() as database:
        for event, versions in load_schemas().items():
            empty = versions[-1].stored.empty_table()
            if "event_date" not in empty.column_names:
                database.register("bare", empty)
                database.execute(
                    f"CREATE TABLE {event} AS SELECT *, DATE '2026-11-24' AS event_date FROM bare"
                )
                database.unregister("bare")
            else:
                database.register(event, empty)
        assert database.execute(question.sql).fetchall() == []
        columns = {column[0] for column in database.description or ()}
    assert columns.isdisjoint({"subject", "session", "event_token"})


def test_titles_are_questions() -> None:
    assert all(question.title.endswith("?") for question in QUESTIONS)
