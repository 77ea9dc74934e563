"""Sections: floors and ceilings, what belongs together, what is needed."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from pipeline.cli.declared import load_settings
from pipeline.errors import SettingsError
from tests.unit.settings.test_load import written


@pytest.mark.parametrize(
    "line",
    [
        "ipv4_bits = 25",
        "ipv6_bits = 49",
        "ipv4_bits = -1",
        "ipv4_bits = true",
        "ipv4_bits = 16.0",
        "max_age_days = 90",
        "retention_days = 91",
        'optout_stale_after = "16m"',
        'epoch = "month"',
        'public_ranges = ["8.8.8.0/24"]',
        'public_ranges = ["10.0.0.0/8"]',
        'trusted_proxies = ["10.0.0.1/8"]',
        "trusted_proxies = [10]",
    ],
)
def test_floors_and_ceilings_cannot_be_crossed(tmp_path: Path, line: str) -> None:
    with pytest.raises(SettingsError, match="expected"):
        load_settings(written(tmp_path, f"[privacy]\n{line}\n"), environ={})


@pytest.mark.parametrize(
    "text",
    [
        '[sources.a]\nfiles = ["x"]',
        '[sources.a]\nevent = "session"',
        '[sources.a]\nevent = "session"\nservers = ["a:1"]',
        '[sources.a]\nevent = "session"\nfiles = ["x"]\ntopic = "t"\nservers = ["a:1"]',
        '[sources]\na = "x"',
    ],
)
def test_a_source_is_one_event_from_files_or_from_a_topic(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(written(tmp_path, text), environ={})
    assert refused.value.remedy


def test_what_is_needed_and_not_set_is_refused_with_all_ways_to_set_it() -> None:
    settings = load_settings(environ={})
    for need, word in ((settings.need_lake, "--lake"), (settings.need_state, "--state")):
        with pytest.raises(SettingsError) as refused:
            need()
        assert word in refused.value.remedy


def test_sections_travel_to_workers() -> None:
    settings = load_settings(environ={})
    assert pickle.loads(pickle.dumps(settings.privacy)) == settings.privacy
