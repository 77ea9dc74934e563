"""The dashboard's folder holds what the publications make, byte by byte, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.errors import LakeError
from pipeline.ops.scan.findings import Scanned
from pipeline.ops.scan.places import Known
from pipeline.ops.scan.published_scan import PAGE_EQUALS
from pipeline.ops.scan.site_scan import scan_site
from pipeline.ops.scan.walk import PLACES

SITE = {"index.html": "<p>page</p>", "metrics/requests.json": "[1]"}
KNOWN = Known(["session"], ["requests"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    (root / "metrics").mkdir(parents=True)
    for name, text in SITE.items():
        (root / name).write_text(text)
        (root / name).chmod(0o644)
    return root


def scan(folder: Path, made: Mapping[str, str] | None = SITE) -> Scanned:
    return scan_site(folder, KNOWN, lambda page: made)


def test_a_page_that_is_what_the_publications_make_is_sound(folder: Path) -> None:
    assert scan(folder) == Scanned(files=2)


@pytest.mark.parametrize("name", SITE)
def test_a_changed_file_is_found_and_not_repeated(folder: Path, name: str) -> None:
    (folder / name).write_text("alice@example.com")
    (one,) = scan(folder).findings
    assert (one.checks, one.place) == ((PAGE_EQUALS,), f"dashboard/{name}")
    assert "alice" not in str(one)


def test_a_file_that_no_publication_makes_is_found(folder: Path) -> None:
    (folder / "app.js").write_text("x")
    (one,) = scan(folder).findings
    assert one.checks == (PLACES,)


@pytest.mark.parametrize("failure", [LakeError("gone"), ValueError("alice"), KeyError("alice")])
def test_a_page_that_cannot_be_made_again_is_no_proof(folder: Path, failure: Exception) -> None:
    def fail(page: bytes) -> None:
        raise failure

    (one,) = scan_site(folder, KNOWN, fail).findings
    assert (one.checks, one.reason) == ((PAGE_EQUALS,), "no page that the publications make")
    assert scan(folder, None).findings == (one,)


def test_a_folder_without_a_page_is_no_proof(tmp_path: Path) -> None:
    (one,) = scan(tmp_path / "none").findings
    assert one.checks == (PAGE_EQUALS,)
