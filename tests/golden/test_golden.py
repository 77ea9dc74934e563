"""The whole graph stores and refuses what the golden cases say."""

from __future__ import annotations

import pytest

from tests.golden.runs import CASES, FOLDER, outcome


@pytest.mark.parametrize("case", CASES)
def test_a_run_stores_and_refuses_what_the_case_says(case: str) -> None:
    made = outcome(case)
    assert made == {name: (FOLDER / case / name).read_text("utf-8") for name in made}


def test_there_is_a_case_for_each_event() -> None:
    assert {"api_request", "error_log", "feature_use", "session"} <= set(CASES)
