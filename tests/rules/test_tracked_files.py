"""What tracked files may not hold: hosts of registries, developers' folders, leftovers."""

from __future__ import annotations

import re

from tests.rules.sources import ROOT, texts, tracked

# Written in parts, so that this file does not hold what it looks for.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("repo1", "maven", "org"),
        ("repo", "maven", "apache", "org"),
        ("deb", "debian", "org"),
    )
]
FOLDERS = ["/" + "/".join(parts) for parts in (("work", "main"), ("work", "scratch"), ("root", ""))]
LEFTOVERS = ["TO" + "DO", "FIX" + "ME", "X" * 3 + ":", "<" * 7 + " ", ">" * 7 + " "]
DOCUMENT = re.compile(r"(?<![\w*{}<>$-])([A-Za-z][\w./-]*\.md)\b")
MADE_AT_RUN_TIME = {"dictionary.md", "licences.md"}
LARGEST = 1_500_000


CARGO_LOCK = "kernel/Cargo.lock"
"""Cargo writes the registry's name beside each package, whatever mirror it is set to use."""


def lines_with(needles: list[str]) -> list[str]:
    return [
        f"{name}:{number}"
        for name, text in texts()
        if name != CARGO_LOCK
        for number, line in enumerate(text.splitlines(), 1)
        if any(needle in line for needle in needles)
    ]


def test_no_tracked_file_names_the_host_of_a_registry() -> None:
    assert lines_with(REGISTRIES) == []


def test_no_tracked_file_names_a_developers_folder() -> None:
    assert lines_with(FOLDERS) == []


def test_no_tracked_file_holds_leftovers() -> None:
    assert lines_with(LEFTOVERS) == []


def test_every_document_that_is_named_exists() -> None:
    known = {path.name for path in tracked() if path.suffix == ".md"} | MADE_AT_RUN_TIME
    missing = {
        f"{name} names {document}"
        for name, text in texts()
        if not name.endswith((".lock", ".js", ".html"))
        for document in DOCUMENT.findall(text)
        if document.rsplit("/", 1)[-1] not in known
    }
    assert missing == set()


def test_tracked_files_are_source_and_small_data() -> None:
    large = {str(path.relative_to(ROOT)) for path in tracked() if path.stat().st_size > LARGEST}
    compiled = {
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix in (".pyc", ".so", ".jar", ".whl", ".parquet")
    }
    assert (large, compiled) == (set(), set())


def test_shell_scripts_stop_at_the_first_failure() -> None:
    loose = [
        name
        for name, text in texts()
        if text.startswith("#!") and "bash" in text.splitlines()[0] and "set -" not in text
    ]
    assert loose == []
