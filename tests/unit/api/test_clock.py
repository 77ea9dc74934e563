"""The clock of the Python API says now, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.api.clock import utc_now


def test_now_is_now_and_in_utc() -> None:
    before = datetime.now(UTC)
    assert before <= utc_now() <= datetime.now(UTC)
    assert utc_now().utcoffset() == timedelta(0)
