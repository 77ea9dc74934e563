"""A wheel built from the repository works where there is no repository."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
import venv
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.docs.log import COMMANDS, write_log
from tests.rules.sources import ROOT, project, tracked

pytestmark = pytest.mark.slow


KERNEL = "pipeline/kernel.abi3.so"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the tracked files, as a release would be."""
    return build_wheel(tmp_path_factory.mktemp("wheel"), os.environ["PATH"])


@pytest.fixture(scope="module")
def bare_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built where there is no cargo."""
    folders = os.environ["PATH"].split(os.pathsep)
    path = os.pathsep.join(one for one in folders if not (Path(one) / "cargo").exists())
    return build_wheel(tmp_path_factory.mktemp("bare"), path)


def build_wheel(place: Path, programs: str) -> Path:
    """Copy the tracked files and build a wheel of them, with these folders of programs."""
    for path in tracked():
        copy = place / "source" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    build += ["--no-build-isolation", "--wheel-dir", str(place / "dist"), str(place / "source")]
    settings = {**os.environ, "PATH": programs, "CARGO_TARGET_DIR": str(place / "target")}
    settings["SOURCE_DATE_EPOCH"] = "1700000000"
    subprocess.run(build, check=True, capture_output=True, env=settings)
    (built,) = (place / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a new environment that holds the wheel."""
    return install(wheel, tmp_path_factory.mktemp("elsewhere") / "venv")


def install(wheel: Path, place: Path) -> Path:
    """Install a wheel in an environment of its own; gives its command.

    The dependencies are lent by the environment that runs the tests, less its own copy of the
    package: a path file names its site-packages, and the wheel's modules come first.
    """
    venv.create(place, with_pip=False)
    python = place / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*install, "--no-deps", "--no-index", str(wheel)], check=True)
    lender = next(path for path in sys.path if path.endswith("site-packages"))
    (site,) = place.glob("lib/python*/site-packages")
    # A plain path: path files of the lender, such as that of an editable install, are not read.
    (site / "dependencies.pth").write_text(f"{lender}\n", "utf-8")
    return place / "bin" / "telemetry"


def run(command: Path, *words: str, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "TELEMETRY"))}
    done = subprocess.run(
        [str(command), *words],
        cwd=cwd,
        env={**environment, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_every_schema_and_all_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    data = {
        f"pipeline/{path.relative_to(ROOT)}"
        for path in tracked()
        if path.is_relative_to(ROOT / "schemas")
    }
    assert data - names == set()


def test_the_wheel_holds_one_kernel_for_every_python(wheel: Path, command: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert KERNEL in archive.namelist()
        assert "pipeline/kernel.pyi" in archive.namelist()
    assert "-cp311-abi3-" in wheel.name
    assert "decoder: native kernel" in run(command, "version", cwd=wheel.parent)


def test_without_cargo_a_wheel_decodes_in_python(bare_wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bare_wheel) as archive:
        assert KERNEL not in archive.namelist()
    bare = install(bare_wheel, tmp_path / "venv")
    assert "the native kernel is not built" in run(bare, "version", cwd=tmp_path)


def test_a_release_is_refused_without_cargo(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / ".ci" / "cargo"], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "no cargo found (Rust 1.88 or newer" in done.stdout


def test_the_wheel_holds_nothing_but_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pipeline"}


def test_the_package_comes_from_the_wheel(command: Path, tmp_path: Path) -> None:
    words = ["-c", "import pipeline; print(pipeline.__file__)"]
    found = run(command.parent / "python", *words, cwd=tmp_path)
    assert found.startswith(str(command.parents[1]))


def test_an_error_is_explained_without_the_checkout(command: Path, tmp_path: Path) -> None:
    assert "Exit code 4" in run(command, "explain", "opt-out-stale", cwd=tmp_path)


def test_events_go_from_file_to_lake_without_the_checkout(command: Path, tmp_path: Path) -> None:
    places = ["--lake", "lake", "--state", "state"]
    run(
        command,
        *("generate", "--event", "session", "--events", "500", "--out", "events.ndjson"),
        cwd=tmp_path,
    )
    read = ["run", "--once", "--backfill", "--input", "events.ndjson", "--event", "session"]
    summary = json.loads(run(command, *read, *places, "--json", cwd=tmp_path))
    assert summary["read"] == 500
    assert summary["written"] > 400
    counted = run(command, "sql", "SELECT count(*) AS n FROM session", *places, cwd=tmp_path)
    assert str(summary["written"]) in counted


def test_the_commands_of_the_readme_run_without_the_checkout(command: Path, tmp_path: Path) -> None:
    write_log(tmp_path / "access.log", datetime.now(UTC))
    told = [run(command, *shlex.split(text)[1:], cwd=tmp_path) for text in COMMANDS]
    assert "/api/v1/products/{product}" in told[-1]


def test_the_demo_runs_without_the_checkout(command: Path, tmp_path: Path) -> None:
    words = ["demo", "--dir", "demo", "--events", "8000", "--days", "3"]
    told = run(command, *words, cwd=tmp_path)
    assert "canaries in the input; none in" in told
    assert (tmp_path / "demo" / "telemetry.toml").exists()


def test_another_build_elsewhere_is_the_same_to_the_byte(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("another") / "deeper" / "place"
    again = build_wheel(place, os.environ["PATH"])
    assert again.name == wheel.name
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        changed = [name for name in one.namelist() if one.read(name) != other.read(name)]
    assert changed == []
    assert (
        hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(wheel.read_bytes()).digest()
    )


def test_what_the_wheel_requires_is_what_the_checkout_declares(command: Path) -> None:
    asked = "import importlib.metadata, json; print(json.dumps(importlib.metadata.requires(%r)))"
    told = run(command.parent / "python", "-c", asked % "telemetry-pipeline", cwd=command.parent)
    required = [text for text in json.loads(told) if "extra ==" not in text]
    assert {Requirement(text) for text in required} == {
        Requirement(text) for text in project()["dependencies"]
    }
