"""Checks that rest on the scan, and those that look at keys and at bytes for known identifiers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.io.lake.lake import Lake
from pipeline.io.rights.request_queue import RequestKind
from pipeline.ops.audit.audit import Observation, Verdict
from pipeline.ops.audit.check_stored import STORED
from pipeline.privacy.identity.epochs import epoch_of
from tests.unit.ops.sound import KIND, NOW, Sound

EPOCH = epoch_of(NOW.date(), KIND)


@pytest.fixture
def sound(tmp_path: Path) -> Sound:
    made = Sound(tmp_path)
    made.store([{"account_id": "alice"}, {"account_id": "bob"}])
    made.lake.close()
    return made


def look(sound: Sound, name: str, **changes: Any) -> Observation:
    return STORED[name].look(sound.audited(**changes))


def test_no_promise_is_broken_by_a_sound_installation(sound: Sound) -> None:
    audited = sound.audited()
    verdicts = {name: check.look(audited).verdict for name, check in STORED.items()}
    assert Verdict.BROKEN not in verdicts.values()
    assert verdicts["every_file_read"] is verdicts["keys_of_ended_epochs"] is Verdict.KEPT
    assert verdicts["page_equals_rollups"] is Verdict.NOT_APPLICABLE
    assert verdicts["erased_rows_gone"] is Verdict.NOT_APPLICABLE
    assert verdicts["restricted_rows_apart"] is Verdict.NOT_APPLICABLE


def test_a_finding_breaks_its_check_and_no_other(sound: Sound) -> None:
    (Path(sound.lake.root) / "notes.txt").write_text("x")
    audited = sound.audited()
    wrong = {
        name for name, check in STORED.items() if check.look(audited).verdict is Verdict.BROKEN
    }
    assert wrong == {"known_places"}


def test_a_state_folder_inside_the_lake_is_out_of_place(sound: Sound) -> None:
    inside = Lake(str(sound.folder))
    seen = look(sound, "known_places", lake=inside)
    assert (seen.verdict, "inside the lake" in seen.evidence[0]) == (Verdict.BROKEN, True)


def test_a_key_lives_as_long_as_rows_of_its_epoch_may(sound: Sound) -> None:
    end = NOW.replace(year=EPOCH.last_day.year, month=EPOCH.last_day.month, day=EPOCH.last_day.day)
    assert look(sound, "keys_of_ended_epochs", now=end + timedelta(days=90)).verdict is Verdict.KEPT
    late = look(sound, "keys_of_ended_epochs", now=end + timedelta(days=91))
    assert (late.verdict, EPOCH.name in late.evidence[0]) == (Verdict.BROKEN, True)


def test_a_hold_keeps_the_key_of_its_own_epoch_alone(sound: Sound) -> None:
    late = NOW + timedelta(days=150)
    for day, verdict in [
        (EPOCH.last_day, Verdict.KEPT),
        (EPOCH.first_day - timedelta(days=1), Verdict.BROKEN),
    ]:
        held = Sound(sound.folder / str(day))
        held.keys.epoch_key(EPOCH)
        held.holds.add(day, day, "legal", "case", late.date(), NOW)
        assert look(held, "keys_of_ended_epochs", now=late).verdict is verdict


def test_rows_of_an_epoch_without_a_key_are_found(sound: Sound) -> None:
    sound.keys.destroy(EPOCH.name)
    seen = look(sound, "keys_of_ended_epochs")
    assert (seen.verdict, "which has no key" in seen.evidence[0]) == (Verdict.BROKEN, True)


def test_an_erased_account_with_rows_breaks_its_promise(sound: Sound) -> None:
    sound.ask(RequestKind.ERASE, "alice")
    assert look(sound, "erased_rows_gone").verdict is Verdict.NOT_APPLICABLE
    sound.sweep()
    assert look(sound, "erased_rows_gone").verdict is Verdict.BROKEN


def test_known_identifiers_are_nowhere_in_any_byte(sound: Sound) -> None:
    """Of lake and state, as they are and hashed; without a list of them nobody looked."""
    assert look(sound, "dictionary_attack").verdict is Verdict.NOT_VERIFIED
    assert look(sound, "dictionary_attack", canaries=["alice", "bob"]).verdict is Verdict.KEPT
    (sound.state / "notes.txt").write_text("asked by carol-0001")
    seen = look(sound, "dictionary_attack", canaries=["alice", "carol-0001"])
    assert (seen.verdict, "notes.txt" in seen.evidence[0]) == (Verdict.BROKEN, True)
