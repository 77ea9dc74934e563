"""The local stack: it fits Compose's schema, and names what the repository and the code have."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from pipeline import __version__
from pipeline.cli.declared import load_settings
from pipeline.cli.main import telemetry
from pipeline.demo.world import DEMO_RANGES, PROXY_NETWORK
from tests.rules.sources import ROOT
from tests.rules.test_kubernetes import PORT

FOLDER = ROOT / "deploy" / "compose"
SCHEMA = "usr/lib/python3/dist-packages/compose/config/compose_spec.json"


@cache
def stack() -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8")))


def services() -> dict[str, dict[str, Any]]:
    return dict(stack()["services"])


def ours() -> dict[str, dict[str, Any]]:
    image = f"telemetry-pipeline:{__version__}"
    return {name: one for name, one in services().items() if one["image"] == image}


@pytest.fixture(scope="module")
def validator() -> Any:
    done = subprocess.run(
        [ROOT / ".ci" / "unpacked", "docker-compose", SCHEMA], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"no schema of Compose: {done.stderr.strip().splitlines()[-1]}")
    schema = json.loads(Path(done.stdout.strip()).read_text("utf-8"))
    # Its $schema names 2019-09 with a sign that jsonschema does not know.
    return jsonschema.Draft201909Validator(schema)


def test_it_fits_the_schema_of_compose(validator: Any) -> None:
    validator.validate(stack())
    misspelt = {**stack(), "services": {"kafka": {**services()["kafka"], "enviroment": {}}}}
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(misspelt)


def test_compose_itself_reads_it_where_it_is_installed() -> None:
    compose = ["docker", "compose"]
    if (
        shutil.which("docker") is None
        or subprocess.run([*compose, "version"], capture_output=True, check=False).returncode
    ):
        return  # the schema above is the check here
    words = [*compose, "-f", str(FOLDER / "compose.yaml"), "config", "--quiet"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_images_are_pinned_and_ours_is_of_this_version() -> None:
    assert set(ours()) == {"prepare", "requests", "run", "producer", "figures"}
    for name, one in services().items():
        assert re.search(r":v?\d+\.\d+", one["image"]), name


def test_mounts_exist_and_only_this_machine_reaches_the_ports() -> None:
    for name, one in services().items():
        for mount in one.get("volumes", []):
            source = mount.split(":")[0]
            known = source in stack()["volumes"] or (FOLDER / source).exists()
            assert known, (name, mount)
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", [])), name
        waits = one.get("depends_on", {})
        assert set(waits) <= set(services()), name


def commands() -> list[list[str]]:
    """Every call of ours in the stack."""
    found = []
    for one in ours().values():
        if "entrypoint" not in one:
            found.append(one["command"])
            continue
        script = one["command"][0].replace("$$job", "seal").replace("$$event", "session")
        found += [shlex.split(line)[1:] for line in re.findall(r"^\s*telemetry .*$", script, re.M)]
        loop = re.search(r"for job in (.*); do", script)
        if loop:
            found += [[*shlex.split(job)] for job in shlex.split(loop[1])]
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_of_the_stack_exists(words: list[str]) -> None:
    command: click.Command = telemetry
    context = click.Context(command)
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, words
        command, words = found, words[1:]
        if isinstance(command, click.Group):
            context = click.Context(command, parent=context)
    command.make_context(command.name, list(words), parent=context)


def test_settings_load_and_fit_what_stands_around_them() -> None:
    found = load_settings(FOLDER / "telemetry.toml", environ={})
    created = (ROOT / "deploy" / "kafka" / "create-topics.sh").read_text("utf-8")
    assert set(found.sources) == set(re.search(r"for event in ([\w ]+);", created)[1].split())  # type: ignore[index]
    assert (found.privacy.trusted_proxies, found.privacy.public_ranges) == (
        (PROXY_NETWORK,),
        DEMO_RANGES,
    )
    given = set(services()["run"]["environment"])
    named = re.findall(r'"env:(\w+)"', (FOLDER / "telemetry.toml").read_text("utf-8"))
    assert set(named) == given
    store = services()["store"]["environment"]
    run = services()["run"]["environment"]
    assert (store["ROOT_ACCESS_KEY"], store["ROOT_SECRET_KEY"]) == (
        run["LAKE_KEY_ID"],
        run["LAKE_SECRET"],
    )


def test_prometheus_and_grafana_are_told_where_the_figures_are() -> None:
    scraped = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
    [targets] = scraped["scrape_configs"][0]["static_configs"]
    workers = int(services()["run"]["command"][-1].removeprefix("--workers="))
    assert targets["targets"] == [f"run:{PORT + number}" for number in range(workers + 1)]
    sources = (ROOT / "deploy/grafana/provisioning/datasources/telemetry.yaml").read_text("utf-8")
    assert set(re.findall(r"\$\{(\w+)\}", sources)) <= set(services()["grafana"]["environment"])
