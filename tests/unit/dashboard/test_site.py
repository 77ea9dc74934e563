"""A site is built again when its input changes, and survives a build that fails."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pipeline.dashboard.annotations import Annotation
from pipeline.dashboard.page import data_of
from pipeline.dashboard.site import (
    FILE_DAYS,
    NOTES,
    PAGE,
    STAMP,
    Published,
    Site,
    build,
    build_as,
    failure,
    is_failure,
    metric_file,
)
from pipeline.errors import LakeError
from tests.unit.dashboard.test_data import LAST, rows

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOTE = Annotation(date(2026, 11, 9), "incident", "Queue full")
EMPTY = Published({}, {})


class World:
    """What a site reads, and may fail to read."""

    def __init__(self) -> None:
        self.stamp, self.now, self.reads = 0, NOW, 0
        self.error: LakeError | None = None

    def read(self) -> Published:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return EMPTY

    def notes(self) -> Sequence[Annotation]:
        return [NOTE]

    def site(self) -> Site:
        return Site(self.read, lambda: self.stamp, self.notes, lambda: self.now)


def test_a_site_is_built_again_only_when_its_stamp_changes() -> None:
    world = World()
    site = world.site()
    first = site.files()
    world.now += timedelta(hours=1)
    assert site.files() == first
    assert world.reads == 1
    world.stamp += 1
    assert site.files()[STAMP] != first[STAMP]
    assert world.reads == 2


def test_after_a_failure_the_last_good_figures_stay_under_a_notice() -> None:
    world = World()
    site = world.site()
    good = site.files()
    world.stamp, world.error = 1, LakeError("The rollups cannot be read")
    bad = site.files()
    assert "The last build failed: The rollups cannot be read" in bad[PAGE]
    assert bad[STAMP] != good[STAMP]
    world.stamp, world.error = 2, None
    assert "The last build failed" not in site.files()[PAGE]


def test_a_first_build_that_fails_is_raised() -> None:
    world = World()
    world.error = LakeError("The rollups cannot be read")
    with pytest.raises(LakeError):
        world.site().files()


def test_a_page_is_built_again_from_what_it_says() -> None:
    notice = failure(LakeError("Nothing can be read"))
    files = build(EMPTY, [NOTE], NOW, notice)
    data = data_of(files[PAGE].encode())
    assert data is not None
    assert build_as(EMPTY, data) == files
    wrong: list[dict[str, Any]] = [{"built_at": "yesterday"}, {"notice": "All figures are right."}]
    assert [build_as(EMPTY, {**data, **one}) for one in wrong] == [None, None]


def test_only_a_failed_build_leaves_a_notice() -> None:
    assert is_failure(failure(LakeError("Something")))
    assert not is_failure("Something")
    assert not is_failure(None)


def test_the_marks_are_a_file() -> None:
    files = build(EMPTY, [NOTE], NOW)
    assert json.loads(files[NOTES]) == [
        {"time": "2026-11-09T00:00:00Z", "kind": "incident", "text": "Queue full"}
    ]


def test_a_metrics_file_holds_its_newest_windows_without_what_is_null() -> None:
    days = [LAST - timedelta(days=age) for age in range(FILE_DAYS + 5)]
    records = json.loads(metric_file(rows(*({"first_day": day, "value": 1.5} for day in days))))
    assert len(records) == FILE_DAYS
    assert records[0] == {
        "time": f"{LAST}T00:00:00Z",
        "grain": "day",
        "cut": "",
        "key1": "",
        "key2": "",
        "value": 1.5,
    }
    assert metric_file(None) == "[]"
