"""The images hold what runs and nothing else, from hashes, and may write where they have to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from pipeline.cli.declared import load_settings
from tests.rules.sources import ROOT, project

DEPLOY = ROOT / "deploy"
LOCK, IMAGE_LOCK = ROOT / "requirements.lock", DEPLOY / "image" / "requirements.lock"
OURS = {"image": DEPLOY / "image" / "Dockerfile", "dataflow": DEPLOY / "dataflow" / "Dockerfile"}


def pins(path: Path) -> dict[str, set[str]]:
    """Each `name==version ; marker` of a lock, with its hashes."""
    blocks = re.split(r"\n(?=[a-z0-9])", path.read_text("utf-8"))
    return {
        block.split(" \\", 1)[0].strip(): set(re.findall(r"sha256:\w+", block))
        for block in blocks
        if re.match(r"[a-z0-9._-]+==", block)
    }


def names(found: dict[str, set[str]]) -> set[str]:
    return {pin.partition("==")[0] for pin in found}


def instructions(path: Path) -> list[str]:
    """A Dockerfile's instructions, each on one line, without comments."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [line for line in joined.splitlines() if line.strip()]


def test_images_install_versions_and_hashes_of_the_lock() -> None:
    whole, image = pins(LOCK), pins(IMAGE_LOCK)
    versions = {pin.split(" ;")[0]: hashes for pin, hashes in whole.items()}
    assert len(image) > 40
    for pin, hashes in image.items():
        assert hashes, pin
        assert versions.get(pin.split(" ;")[0]) == hashes, pin


def test_images_hold_what_runs_and_no_tool_of_development() -> None:
    asked = {Requirement(one).name.lower() for one in project()["dependencies"]}
    development = {
        Requirement(one).name.lower() for one in project()["optional-dependencies"]["dev"]
    }
    found = names(pins(IMAGE_LOCK))
    assert len(asked) > 15
    assert asked <= found
    # pandas and polars, hypothesis and mypy: whoever gets in finds no more than is needed.
    assert found & development == set()


def test_the_main_image_holds_the_client_of_every_extra_but_googles() -> None:
    """As [Deployment](docs/deployment.md#keys-and-secrets) says."""
    extras = project()["optional-dependencies"]
    assert {"aws", "azure", "vault"} <= set(extras)
    found = names(pins(IMAGE_LOCK))
    for extra in set(extras) - {"dev", "gcp"}:
        assert {Requirement(one).name.lower() for one in extras[extra]} <= found, extra


@pytest.mark.parametrize("path", OURS.values(), ids=OURS)
def test_an_image_is_built_from_a_wheel_and_hashes(path: Path) -> None:
    steps = instructions(path)
    assert len([step for step in steps if step.startswith("FROM ")]) >= 2
    copied = [step for step in steps if step.startswith("COPY ")]
    assert any("deploy/image/requirements.lock" in step for step in copied)
    assert any("dist/telemetry_pipeline-*.whl" in step for step in copied)
    assert not any(re.match(r"COPY (\.|pipeline)\s", step) for step in copied)
    installs = " ".join(steps)
    assert "--require-hashes" in installs
    assert "--no-index" in installs
    assert "--no-cache-dir" in installs


@pytest.mark.parametrize("path", OURS.values(), ids=OURS)
def test_an_image_ends_as_nobody_and_starts_without_a_shell(path: Path) -> None:
    last = {step.split()[0]: step for step in instructions(path)}
    assert last["USER"] == "USER 10001:10001"
    assert last["ENTRYPOINT"].startswith('ENTRYPOINT ["')


def test_dataflows_user_may_make_the_state_folder() -> None:
    """No volume is mounted there, and the folder above belongs to root."""
    state = load_settings(DEPLOY / "dataflow" / "telemetry.toml", environ={}).need_state()
    (made,) = (s for s in instructions(OURS["dataflow"]) if "install -d" in s)
    assert f"install -d -o 10001 -g 10001 -m 0700 {state}" in made
