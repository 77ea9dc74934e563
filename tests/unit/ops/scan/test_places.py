"""Every file of a lake, a state folder and a dashboard has a line; what has none has no place."""

from __future__ import annotations

import pytest

from pipeline.io.keys.keystore import PERMANENT
from pipeline.io.tree import EntryKind, TreeEntry
from pipeline.ops.scan.places import (
    LAKE,
    SITE,
    Holds,
    Known,
    StateGrammar,
    TableGrammar,
    holds_of,
    told_of,
)

KNOWN = Known(["session", "api_request"], ["requests"])
LAKE_GRAMMAR, SITE_GRAMMAR, STATE = (
    TableGrammar(LAKE, KNOWN),
    TableGrammar(SITE, KNOWN),
    StateGrammar(),
)
PART = f"part-{'a' * 12}-{'0' * 32}"
DAY = "events/session/event_date=2026-11-23"
LOG = "events/session/_delta_log"
EMAIL = "alice@example.com"


def file(path: str) -> TreeEntry:
    return TreeEntry(path, EntryKind.FILE, 1, 0.0)


@pytest.mark.parametrize(
    ("path", "holds"),
    [
        (f"{DAY}/{PART}.parquet", Holds.ROWS),
        (f"{DAY}/{PART}.4weeks-0037.parquet", Holds.ROWS),
        (f"{DAY}/.{PART}.parquet.tmp", Holds.STAGED),
        (f"restricted/session/event_date=2026-11-23/{PART}.parquet", Holds.ROWS),
        (f"rejections/ingest_date=2026-11-23/{PART}.parquet", Holds.REJECTIONS),
        (f"{LOG}/{7:020d}.json", Holds.LOG_ENTRY),
        (f"{LOG}/{7:020d}.checkpoint.parquet", Holds.CHECKPOINT),
        (f"{LOG}/_last_checkpoint", Holds.LAST_CHECKPOINT),
        (f"{LOG}/torn/{7:020d}.json", Holds.TORN),
        ("rollups/manifest.json", Holds.MANIFEST),
        ("rollups/requests/requests.parquet", Holds.PUBLICATION),
    ],
)
def test_what_a_lake_holds_is_known_by_its_path(path: str, holds: Holds) -> None:
    match = LAKE_GRAMMAR.match(file(path))
    assert match is not None
    assert match.place.holds is holds


@pytest.mark.parametrize(
    "path",
    [
        f"{DAY}/{EMAIL}.parquet",
        f"{DAY}/{PART}.parquet.bak",
        f"{DAY}/deep/{PART}.parquet",
        f"events/session/event_date=2026-02-30/{PART}.parquet",
        f"events/session/event_date={EMAIL}/{PART}.parquet",
        f"events/{EMAIL}/event_date=2026-11-23/{PART}.parquet",
        f"{LOG}/7.json",
        f"{LOG}/{7:020d}.crc",
        "rollups/requests/sessions.parquet",
        "rollups/sessions/sessions.parquet",
        "notes.txt",
        ".hidden",
    ],
)
def test_what_no_line_names_has_no_place(path: str) -> None:
    assert LAKE_GRAMMAR.match(file(path)) is None


def test_a_path_says_its_day_and_its_words() -> None:
    match = LAKE_GRAMMAR.match(file(f"{DAY}/{PART}.parquet"))
    assert match is not None
    assert (str(match.day), match.words["event"]) == ("2026-11-23", "session")
    manifest = LAKE_GRAMMAR.match(file("rollups/manifest.json"))
    assert manifest is not None
    assert manifest.day is None


def test_a_dashboard_has_a_page_and_figures_of_known_metrics() -> None:
    shown = {
        path: match and match.place.holds
        for path in ("index.html", "metrics/requests.json", "metrics/alice.json", "a.js")
        for match in [SITE_GRAMMAR.match(file(path))]
    }
    assert shown == {
        "index.html": Holds.PAGE,
        "metrics/requests.json": Holds.FIGURES,
        "metrics/alice.json": None,
        "a.js": None,
    }


@pytest.mark.parametrize(
    ("path", "holds", "told"),
    [
        ("optout.ndjson", Holds.STANDINGS, "<state>/optout.ndjson"),
        (".optout.ndjson.table", Holds.SNAPSHOT, "<state>/optout.ndjson"),
        ("receipts.ndjson", Holds.RECEIPTS, "<state>/receipts.ndjson"),
        ("keys/index.json", Holds.KEY_INDEX, "<state>/keys/"),
        (f"keys/{min(PERMANENT)}.key", Holds.KEY, "<state>/keys/"),
        (f"writers/{'a' * 12}.lock", Holds.WRITER, "<state>/writers/"),
    ],
)
def test_the_state_folders_files_are_private_and_told_of(
    path: str, holds: Holds, told: str
) -> None:
    match = STATE.match(file(path))
    assert match is not None
    assert (match.place.holds, holds_of(path)) == (holds, holds)
    assert (match.place.told, told_of(path)) == (told, told)
    assert match.place.forbidden & 0o077 == 0o077


def test_a_neighbour_that_is_about_to_replace_a_file_is_passing() -> None:
    match = STATE.match(file("keys/.index.json.0123abcd.tmp"))
    assert match is not None
    assert match.place.holds is Holds.PASSING
    for path in ("keys/.alice.0123abcd.tmp", "keys/.index.json.tmp", f"keys/{EMAIL}.key", EMAIL):
        assert STATE.match(file(path)) is None


def test_roots_have_a_place_and_the_states_is_private() -> None:
    for grammar in (LAKE_GRAMMAR, SITE_GRAMMAR, STATE):
        match = grammar.match(TreeEntry("", EntryKind.FOLDER, 0, 0.0))
        assert match is not None
        assert match.place.kind is EntryKind.FOLDER
