"""What a runner's workers cannot reach is said before a job is submitted."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.cli.declared import load_settings
from pipeline.cli.wiring.reach import check_reach
from pipeline.errors import SettingsError
from pipeline.flow.runners.beam_options import DATAFLOW, FLINK
from pipeline.flow.runners.run_options import EMBEDDED
from pipeline.io.files.source import FileSourceSettings
from pipeline.settings import Settings
from tests.rules.sources import ROOT

ELSEWHERE = ("--flink_master=flink.example:8081",)
ALL = "lake.path, state.path (keys), state.path (opt-out list), sources.logs.files"


@pytest.fixture
def local(tmp_path: Path) -> Settings:
    """A lake, keys, a list and a source in folders."""
    environ = {"TELEMETRY_LAKE": str(tmp_path / "lake"), "TELEMETRY_STATE": str(tmp_path / "state")}
    source = FileSourceSettings(event="api_request", files=("in",))
    return replace(load_settings(None, environ=environ), sources={"logs": source})


@pytest.fixture
def cloud() -> Settings:
    return load_settings(ROOT / "deploy" / "dataflow" / "telemetry.toml", environ={})


def test_dataflow_gets_no_folder_of_this_machine(local: Settings) -> None:
    with pytest.raises(SettingsError) as told:
        check_reach(local, DATAFLOW, ())
    assert told.value.where == ALL


def test_each_thing_in_a_folder_counts(cloud: Settings) -> None:
    check_reach(cloud, DATAFLOW, ())
    for changed, name in (
        (replace(cloud, lake=replace(cloud.lake, path="lake")), "lake.path"),
        (replace(cloud, state=replace(cloud.state, keys=None)), "state.path (keys)"),
        (
            replace(cloud, kafka=replace(cloud.kafka, optout_topic=None)),
            "state.path (opt-out list)",
        ),
    ):
        with pytest.raises(SettingsError) as told:
            check_reach(changed, DATAFLOW, ())
        assert told.value.where == name


def test_a_cluster_elsewhere_is_warned_about(
    local: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        check_reach(local, FLINK, ELSEWHERE)
    assert ALL in caplog.text


@pytest.mark.parametrize(
    ("runner", "words"),
    [
        (EMBEDDED, ()),
        (FLINK, ("--flink_master=[local]",)),
        (FLINK, ("--flink_master=localhost:8081",)),
        (FLINK, ("--flink_master", "http://localhost:8081")),
    ],
)
def test_on_this_machine_nothing_is_said(
    local: Settings, runner: str, words: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        check_reach(local, runner, words)
    assert caplog.text == ""
