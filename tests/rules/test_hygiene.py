"""What the project tells contributors: files that load, commands that exist, a whole bill."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.rules.sources import ROOT

GITHUB = ROOT / ".github"
PAGES = ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md")


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.M))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_what_exists(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    for link in re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", text):
        assert (ROOT / link).exists(), link
    assert set(re.findall(r"`make ([a-z-]+)`", text)) <= targets()


def test_hosted_ci_runs_what_everybody_runs() -> None:
    workflow = yaml.safe_load((GITHUB / "workflows" / "check.yml").read_text("utf-8"))
    [job] = workflow["jobs"].values()
    runs = [step["run"] for step in job["steps"] if "run" in step]
    assert runs[-1] == "bash .ci/run"
    assert job["steps"][-1]["env"] == {"CI": "true"}
    assert workflow["permissions"] == {"contents": "read"}


def test_issue_forms_ask_for_nobodys_data() -> None:
    forms = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml"))
    assert [path.stem for path in forms] == ["config", "fault", "wish"]
    fault = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "fault.yml").read_text("utf-8"))
    boxes = [part for part in fault["body"] if part["type"] == "checkboxes"]
    assert boxes[0]["attributes"]["options"][0]["required"] is True


def test_hooks_are_the_tools_of_the_lock() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    for repo in config["repos"]:
        assert repo["repo"] == "local"
        for hook in repo["hooks"]:
            program, *words = hook["entry"].split()
            assert program.startswith(".venv/bin/")
            assert all((ROOT / word).exists() for word in words if word.startswith("tests/"))


def test_the_dev_container_is_built_from_a_file_that_is_there() -> None:
    told = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert (ROOT / ".devcontainer" / told["build"]["dockerfile"]).exists()
    assert told["postCreateCommand"].removeprefix("make ") in targets()


def test_the_bill_of_materials_names_everything_that_is_locked(tmp_path: Path) -> None:
    script = [sys.executable, "deploy/image/sbom.py", str(tmp_path)]
    subprocess.run(script, cwd=ROOT, check=True, env={"PYTHONPATH": str(ROOT)})
    bill = json.loads((tmp_path / "sbom.cdx.json").read_text("utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    lock = (ROOT / "deploy" / "image" / "requirements.lock").read_text("utf-8")
    locked = set(re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.M))
    crates = re.findall(r"^checksum = ", (ROOT / "kernel" / "Cargo.lock").read_text("utf-8"), re.M)
    by_kind = {
        kind: {one["name"] for one in bill["components"] if f":{kind}/" in one["purl"]}
        for kind in ("pypi", "cargo")
    }
    assert by_kind["pypi"] == locked
    assert sum(":cargo/" in one["purl"] for one in bill["components"]) == len(crates) > 10
    assert all(one["hashes"] for one in bill["components"])
    refs = [one["bom-ref"] for one in bill["components"]]
    assert len(refs) == len(set(refs))
    unknown = [
        one["name"]
        for one in bill["components"]
        if ":pypi/" in one["purl"] and "licenses" not in one
    ]
    assert len(unknown) < 5, unknown
    table = (tmp_path / "licences.md").read_text("utf-8")
    assert table.count("\n| ") == len(refs) + 2
