"""A wheel built from the repository works where there is no repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.rules.sources import ROOT, tracked

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the tracked files, as a release would be."""
    place = tmp_path_factory.mktemp("wheel")
    for path in tracked():
        copy = place / "source" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    build += ["--no-build-isolation", "--wheel-dir", str(place / "dist"), str(place / "source")]
    subprocess.run(build, check=True, capture_output=True)
    (built,) = (place / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a new environment that holds the wheel.

    The dependencies are lent by the environment that runs the tests, less its own copy of the
    package: a path file names its site-packages, and the wheel's modules come first.
    """
    place = tmp_path_factory.mktemp("elsewhere") / "venv"
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
        timeout=120,
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


def test_the_wheel_holds_nothing_but_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pipeline"}


def test_the_package_comes_from_the_wheel(command: Path, tmp_path: Path) -> None:
    words = ["-c", "import pipeline; print(pipeline.__file__)"]
    found = run(command.parent / "python", *words, cwd=tmp_path)
    assert found.startswith(str(command.parents[1]))


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
