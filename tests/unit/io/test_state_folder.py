"""The places of the state folder: what is not described is foreign."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.io.state_folder import LISTS, TOP_FOLDERS, TOP_NAMES, PlaceKind, StateFolder, place_of


@pytest.mark.parametrize("name", sorted(TOP_NAMES))
def test_every_name_of_a_listing_is_described(name: str) -> None:
    place = place_of(name)
    assert place is not None
    assert place.kind is (PlaceKind.FOLDER if name in TOP_FOLDERS else PlaceKind.FILE)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_its_marker_and_its_lock_beside_it(name: str) -> None:
    assert place_of(f".{name}.created") is not None
    assert place_of(f".{name}.lock") is not None


@pytest.mark.parametrize(
    "path",
    [
        "keys/optout.key",
        "keys/epoch-4weeks-0037.key",
        "keys/data-week-0148.key",
        "writers/0123456789ab.lock",
        "claims/0123456789abcdef.lock",
        "exports/0123456789abcdef/standing.json",
        "tables/0123456789abcdef.events.api_request.table",
        "tables/0123456789abcdef.rejections.table",
        "spill/0123456789ab/duckdb_temp_storage_DEFAULT-0.tmp",
        ".receipts.ndjson.head",
    ],
)
def test_a_file_of_a_known_place_is_described(path: str) -> None:
    assert place_of(path) is not None


@pytest.mark.parametrize(
    "path",
    [
        "",
        "notes.txt",
        "keys/other.key",
        "keys/epoch-4weeks-0037.key.bak",
        "keys/old/optout.key",
        "optout.ndjson.1",
        ".optout.ndjson",
        "exports/alice/standing.json",
        "spill/rows.parquet/x",
        "tables/0123456789abcdef.events.alice@example.org.table",
        "optout.ndjson\n",
    ],
)
def test_a_foreign_file_is_not_described(path: str) -> None:
    assert place_of(path) is None


def test_every_path_of_the_folder_is_described() -> None:
    folder = StateFolder(Path("/state"))
    paths = [
        getattr(folder, name)
        for name in dir(StateFolder)
        if isinstance(getattr(StateFolder, name), property)
    ]
    assert len(paths) >= 14
    assert [path for path in paths if place_of(str(path.relative_to("/state"))) is None] == []
