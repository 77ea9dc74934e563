"""The page's own words: a title and labels, from settings and back from a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.declared import load_settings
from pipeline.dashboard.data import page_data
from pipeline.dashboard.site import Published, build, build_as
from pipeline.dashboard.words import Words
from pipeline.errors import SettingsError
from tests.dashboards import NOW

WORDS = Words("Astack", {"feature": {"obs_plugin": "OBS plugin"}, "state": {"paused": "Asleep"}})


def test_labels_of_the_settings_stand_over_those_of_the_layout() -> None:
    data = page_data({}, {}, [], NOW, WORDS)
    assert data["title"] == "Astack"
    assert data["labels"]["feature"] == {"obs_plugin": "OBS plugin"}
    assert data["labels"]["state"] == {
        "new": "New", "stayed": "Returning", "came (back)": "Resurrected", "paused": "Asleep",
    }  # fmt: skip


def test_a_page_can_be_made_again_from_its_own_words() -> None:
    files = build(Published({}, {}), [], NOW, words=WORDS)
    data = page_data({}, {}, [], NOW, WORDS)
    assert build_as(Published({}, {}), data) == files
    assert build_as(Published({}, {}), data | {"title": ""}) is None
    assert (
        build_as(Published({}, {}), data | {"labels": {"plan": {"pro": "anna@example.org"}}})
        is None
    )


@pytest.mark.parametrize("text", ["", "x" * 61, "anna@example.org", "10.0.0.1", "0123456789abcdef"])
def test_words_that_are_none_or_name_somebody_do_not_load(text: str) -> None:
    with pytest.raises(SettingsError, match=r"words do not load at dashboard\.title"):
        Words(text)
    with pytest.raises(SettingsError, match=r"words do not load at dashboard\.labels\.plan\.pro"):
        Words(labels={"plan": {"pro": text}})


def test_the_settings_hold_title_marks_and_labels(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.toml"
    file.write_text(
        '[dashboard]\ntitle = "Astack"\nannotations = "marks.toml"\n'
        '[dashboard.labels.feature]\nobs_plugin = "OBS plugin"\n'
    )
    found = load_settings(file, environ={}).dashboard
    assert (found.title, found.annotations) == ("Astack", tmp_path / "marks.toml")
    assert found.labels == {"feature": {"obs_plugin": "OBS plugin"}}


@pytest.mark.parametrize(
    "labels",
    ['labels = "x"', "[dashboard.labels]\nfeature = 'x'", "[dashboard.labels.feature]\nobs = 5"],
)
def test_labels_of_another_shape_are_refused(tmp_path: Path, labels: str) -> None:
    file = tmp_path / "telemetry.toml"
    file.write_text(f"[dashboard]\n{labels}\n")
    with pytest.raises(SettingsError, match=r"dashboard\.labels"):
        load_settings(file, environ={})
