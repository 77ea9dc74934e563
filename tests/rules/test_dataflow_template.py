"""The Flex Template agrees with the code: parameters, launcher, images, settings."""

from __future__ import annotations

import json
import re

import click
import pytest

from deploy.dataflow.launch import CONFIG, OURS, words
from pipeline import __version__
from pipeline.cli.commands.run import RunCommand
from pipeline.cli.declared import load_settings
from pipeline.cli.main import telemetry
from pipeline.flow.runners.beam_options import DATAFLOW, words_for
from pipeline.settings.values import Secret
from tests.rules.sources import ROOT, project

FOLDER = ROOT / "deploy" / "dataflow"
PARAMETERS = {
    p["name"]: p for p in json.loads((FOLDER / "metadata.json").read_text())["parameters"]
}
LAUNCHED = [
    "--runner=DataflowRunner",
    "--streaming",
    "--project=p",
    "--region=r",
    "--temp_location=gs://b/t",
    "--sdk_container_image=i",
    "--workers=7",
    "--lake=gs://l/t",
    "--flush_interval=30s",
]


def test_the_parameters_of_the_template_are_words_of_ours() -> None:
    ours = {name.replace("-", "_") for name in OURS}
    assert set(PARAMETERS) == ours | {"sdk_container_image"}
    command = telemetry.get_command(click.Context(telemetry), "run")
    assert isinstance(command, RunCommand)
    known = {word for option in command.params for word in option.opts}
    assert {f"--{name}" for name in OURS} <= known


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("lake", "gs://company-lake/telemetry", "s3://lake"),
        ("workers", "20", "0"),
        ("config", "/etc/telemetry/other.toml", "other.toml"),
        ("flush_interval", "500ms", "soon"),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused_early(name: str, good: str, bad: str) -> None:
    (pattern,) = PARAMETERS[name]["regexes"]
    assert re.fullmatch(pattern.strip("^$"), good)
    assert not re.fullmatch(pattern.strip("^$"), bad)


def test_the_launcher_says_what_telemetry_run_takes() -> None:
    told = words(LAUNCHED)
    cut = told.index("--")
    assert told[:cut] == [
        "run",
        "--runner=DataflowRunner",
        f"--config={CONFIG}",
        "--workers=7",
        "--lake=gs://l/t",
        "--flush-interval=30s",
    ]
    assert "--max_num_workers=7" in words_for(DATAFLOW, 7, told[cut + 1 :])


def test_images_hold_the_beam_that_is_declared_and_the_settings() -> None:
    text = (FOLDER / "Dockerfile").read_text()
    [beam] = [one for one in project()["dependencies"] if one.startswith("apache-beam==")]
    release = beam.removeprefix("apache-beam==").removesuffix(".*")
    assert re.search(
        rf"^FROM apache/beam_python3.11_sdk:{re.escape(release)}\.\d+ AS worker$", text, re.M
    )
    assert f"deploy/dataflow/telemetry.toml {CONFIG}" in text
    assert __version__ in text


def test_the_settings_load_and_hold_references_alone() -> None:
    found = load_settings(FOLDER / "telemetry.toml", environ={})
    assert isinstance(found.kafka.password, Secret)
    assert "gcp-sm:" in (FOLDER / "telemetry.toml").read_text()
    kubernetes = load_settings(ROOT / "deploy/kubernetes/overlays/gcp/telemetry.toml", environ={})
    assert found.sources == kubernetes.sources
    assert found.need_lake() == kubernetes.need_lake()
