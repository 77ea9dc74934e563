"""The lock, the package and the commands agree with each other."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement
from packaging.version import Version

from pipeline import __version__
from tests.rules.sources import ROOT, project


def locked() -> dict[str, list[Version]]:
    """Every pinned distribution of the lock (several versions where a marker chooses)."""
    pins: dict[str, list[Version]] = {}
    for name, version in re.findall(
        r"^([a-z0-9-]+)==([^ ;\\]+)", (ROOT / "requirements.lock").read_text("utf-8"), re.M
    ):
        pins.setdefault(name, []).append(Version(version))
    return pins


def declared() -> list[Requirement]:
    """What pyproject.toml and requirements.in ask for, less the extra that the lock leaves out."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]
    wanted = [*project()["dependencies"], *build["requires"]]
    wanted += [text for extra in project()["optional-dependencies"].values() for text in extra]
    wanted += [
        line
        for line in (ROOT / "requirements.in").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    found = [Requirement(text) for text in wanted]
    return [one for one in found if not one.extras and not one.name.startswith("google-")]


def test_everything_in_the_lock_carries_a_hash() -> None:
    text = (ROOT / "requirements.lock").read_text("utf-8")
    blocks = re.split(r"\n(?=[a-z0-9])", text)
    bare = [block.split()[0] for block in blocks if "==" in block and "--hash=sha256:" not in block]
    assert bare == []


def test_the_lock_satisfies_everything_that_is_declared() -> None:
    pins = locked()
    wanted = declared()
    assert len(wanted) > 25
    unmet = [
        str(one)
        for one in wanted
        if not any(version in one.specifier for version in pins.get(one.name.lower(), []))
    ]
    assert unmet == []


def test_the_kernel_has_the_version_of_the_package() -> None:
    cargo = tomllib.loads((ROOT / "kernel" / "Cargo.toml").read_text("utf-8"))
    assert cargo["package"]["version"] == __version__


def test_the_changelog_speaks_of_the_current_version() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_licence_is_the_full_text() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_continuous_integration_runs_what_developers_run() -> None:
    assert (ROOT / ".ci" / "run").read_text("utf-8").rstrip().endswith("exec make check")


def test_every_make_target_says_what_it_does() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    phony = re.findall(r"^\.PHONY: (.+)$", text, re.M)
    silent = [name for name in phony if not re.search(rf"^{name}:[^#\n]*## \S", text, re.M)]
    assert silent == []
