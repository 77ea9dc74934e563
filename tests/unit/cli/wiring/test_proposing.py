"""Files of several kinds become one proposal, in which no text of theirs is found."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.cli.wiring.proposing import Proposal, propose
from pipeline.errors import NothingAccepted, UsageError
from pipeline.io.package_data import load_schemas
from tests.formats.files import FORMATS, file_of
from tests.formats.requests import CANARY

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SCHEMAS = load_schemas()


def written(folder: Path, name: str, *, around: bytes = b"") -> str:
    path = folder / f"{name}.log"
    path.write_bytes(b"".join(around + line + b"\n" for line in file_of(name, 60).lines))
    return str(path)


def proposed(*files: str, name: str | None = None, envelope: str | None = None) -> Proposal:
    return propose(files, name, envelope, SCHEMAS, NOW)


def test_every_format_is_proposed_and_no_canary_is_in_it(tmp_path: Path) -> None:
    files = {name: written(tmp_path, name) for name in FORMATS}
    found = proposed(*files.values())
    kinds = {one.format: one.files for one in found.inputs}
    assert set(kinds) == set(FORMATS) - {"apache_combined"}
    assert set(kinds["nginx_combined"]) == {files["nginx_combined"], files["apache_combined"]}
    assert all(account.kept > 30 for account in found.accounts)
    assert {route.template for route in found.routes} == {"/v1/models", "/v1/sessions/{session}"}
    assert CANARY in (tmp_path / "caddy.log").read_text()
    assert CANARY not in repr(found)


def test_an_envelope_is_found_or_named(tmp_path: Path) -> None:
    cri = written(tmp_path, "envoy", around=b"2026-05-01T00:00:00Z stdout F ")
    for found in (proposed(cri), proposed(cri, name="envoy", envelope="cri")):
        (one,) = found.inputs
        assert (one.format, one.envelope) == ("envoy", "cri")
        assert found.accounts[0].kept > 30


def test_without_files_the_packaged_catalogue_is_proposed() -> None:
    found = proposed()
    assert (found.inputs, found.routes, found.accounts) == ((), (), ())
    assert "routes.yaml" in found.catalogue


def test_lines_of_no_known_kind_are_told_without_them(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    path.write_text(f"Nov 24 host kernel: {CANARY}\n" * 30)
    with pytest.raises(NothingAccepted, match="fits 0% of the first 30") as caught:
        proposed(str(path))
    assert CANARY not in str(caught.value)
    path.write_bytes(b"\n\n")
    with pytest.raises(UsageError, match="no line to look at"):
        proposed(str(path))
