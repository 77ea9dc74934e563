"""The whole state folder: every name, mode and file, and whether keys and index agree."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.io.disk.spill import spill_folder
from pipeline.io.standings.lines import LineReader
from pipeline.io.standings.records import NOTHING
from pipeline.io.standings.snapshot import write_snapshot
from pipeline.ops.scan.findings import Scanned
from pipeline.ops.scan.parquet_scan import READABLE
from pipeline.ops.scan.state_scan import KEYS, STATE
from pipeline.ops.scan.state_walk import scan_state
from pipeline.ops.scan.walk import MODES, PLACES
from pipeline.privacy.identity.epochs import epoch_of
from tests.unit.ops.sound import KIND, NOW, Sound

EPOCH = epoch_of(NOW.date(), KIND)


@pytest.fixture
def sound(tmp_path: Path) -> Sound:
    made = Sound(tmp_path)
    made.keys.data_key(EPOCH)
    made.optouts.add(["alice"], NOW)
    return made


def scan(sound: Sound, *, elsewhere: bool = False) -> Scanned:
    return scan_state(sound.state, sound.declared.known, keys_elsewhere=elsewhere)


def put(path: Path, content: bytes = b"x" * 32) -> None:
    path.write_bytes(content)
    path.chmod(0o600)


def test_what_an_installation_writes_is_sound(sound: Sound) -> None:
    scanned = scan(sound)
    assert scanned.findings == ()
    assert scanned.files > 5


def test_a_state_folder_that_is_not_there_has_nothing_to_find(tmp_path: Path) -> None:
    assert scan_state(tmp_path / "none", Sound(tmp_path).declared.known) == Scanned()


def copy_a_key(state: Path) -> None:
    put(state / "keys" / "epoch-4weeks-0001.key")


def open_a_list(state: Path) -> None:
    (state / "optout.ndjson").chmod(0o644)


def leave_a_note(state: Path) -> None:
    put(state / "alice@example.com.txt")


def name_an_account(state: Path) -> None:
    put(state / "optout.ndjson", b'{"token":"alice@example.com"}\n')


def lose_the_index(state: Path) -> None:
    put(state / "keys" / "index.json", b"{")


def forget_a_key(state: Path) -> None:
    index = state / "keys" / "index.json"
    said = json.loads(index.read_text())
    said["epochs"][EPOCH.name]["destroyed"] = "2026-11-01T00:00:00Z"
    put(index, json.dumps(said).encode())


TABLE = ".optout.ndjson.table"


def make_a_snapshot(state: Path) -> None:
    reader = LineReader()
    reader.add((state / "optout.ndjson").read_bytes())
    write_snapshot(state / TABLE, (1, 1, bytes(32)), NOTHING, reader.columns())


def damage_a_snapshot(state: Path) -> None:
    make_a_snapshot(state)
    with (state / TABLE).open("ab") as file:
        file.write(b"alice@example.com")


def open_a_snapshot(state: Path) -> None:
    make_a_snapshot(state)
    (state / TABLE).chmod(0o640)


def test_a_snapshot_of_the_opt_out_list_is_expected(sound: Sound) -> None:
    before = scan(sound).files
    make_a_snapshot(sound.state)
    scanned = scan(sound)
    assert (scanned.findings, scanned.files) == ((), before + 1)


@pytest.mark.parametrize(
    ("spoil", "check", "place"),
    [
        (copy_a_key, KEYS, "state/keys/epoch-4weeks-0001.key"),
        (open_a_list, MODES, "state/optout.ndjson"),
        (leave_a_note, PLACES, "state/*"),
        (name_an_account, STATE, "state/optout.ndjson:1, token"),
        (damage_a_snapshot, STATE, f"state/{TABLE}"),
        (open_a_snapshot, MODES, f"state/{TABLE}"),
        (lose_the_index, KEYS, "state/keys"),
        (forget_a_key, KEYS, f"state/keys/epoch-{EPOCH.name}.key"),
    ],
)
def test_whatever_else_lies_there_is_found(
    sound: Sound, spoil: Callable[[Path], None], check: str, place: str
) -> None:
    spoil(sound.state)
    found = scan(sound).of(check)
    assert place in [one.place for one in found]
    assert "alice" not in "".join(map(str, found))


def test_both_keys_of_an_ended_epoch_are_copies(sound: Sound) -> None:
    forget_a_key(sound.state)
    places = {one.place for one in scan(sound).of(KEYS)}
    assert {f"state/keys/{kind}-{EPOCH.name}.key" for kind in ("epoch", "data")} <= places


def test_keys_beside_a_secret_manager_are_found(sound: Sound) -> None:
    found = scan(sound, elsewhere=True).of(KEYS)
    assert any("belong in the secret manager" in one.reason for one in found)


@pytest.mark.usefixtures("heeds_permissions")
def test_a_file_that_cannot_be_read_is_found(sound: Sound) -> None:
    (sound.state / "optout.ndjson").chmod(0)
    assert [one.place for one in scan(sound).of(READABLE)] == ["state/optout.ndjson"]


def test_rows_of_a_running_job_are_as_they_should_be_and_a_dead_ones_are_not(sound: Sound) -> None:
    with spill_folder(sound.state / "spill") as folder:
        assert folder is not None
        put(folder / "rows.tmp")
        assert scan(sound).findings == ()
        (folder.parent / f"{folder.name}.lock").rename(folder.parent / f"{'0' * 12}.lock")
        left = [one.reason for one in scan(sound).of(PLACES)]
        (folder.parent / f"{'0' * 12}.lock").rename(folder.parent / f"{folder.name}.lock")
    assert "rows that a killed job left behind" in left
