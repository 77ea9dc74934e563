"""One scan of lake, state and dashboard, and whose rows are looked for in it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.rights.request_queue import RequestKind
from pipeline.io.standings.entries import restricted
from pipeline.ops.audit.whole_scan import ERASED, PURGED, RESTRICTED, scan_everything
from tests.unit.ops.sound import NOW, Sound


@pytest.fixture
def sound(tmp_path: Path) -> Sound:
    made = Sound(tmp_path)
    made.store([{"account_id": "alice"}, {"account_id": "bob"}])
    made.lake.close()
    return made


def swept(sound: Sound, kind: RequestKind, account: str) -> None:
    """A request that was carried out once; its tokens are known until the second pass."""
    sound.ask(kind, account)
    sound.sweep()


def found(sound: Sound) -> list[str]:
    scanned = scan_everything(sound.audited())
    return [check for one in scanned.findings for check in one.checks]


def test_a_sound_installation_has_nothing_to_find(sound: Sound) -> None:
    scanned = scan_everything(sound.audited())
    assert (scanned.findings, scanned.doubts) == ((), ())
    assert scanned.rows == 2
    assert scanned.files >= 5


def test_rows_of_an_erased_account_are_looked_for_once_it_was_carried_out(sound: Sound) -> None:
    sound.ask(RequestKind.ERASE, "alice")
    assert found(sound) == []
    sound.sweep()
    assert found(sound) == [ERASED]


def test_rows_of_a_purged_account_are_looked_for_while_it_is_opted_out(sound: Sound) -> None:
    sound.optouts.add(["alice"], NOW)
    swept(sound, RequestKind.PURGE, "alice")
    assert found(sound) == [PURGED]
    sound.optouts.remove(["alice"], NOW + timedelta(minutes=1))
    assert found(sound) == []


def test_rows_of_a_restricted_account_are_looked_for_in_views(sound: Sound) -> None:
    swept(sound, RequestKind.RESTRICT, "alice")
    assert found(sound) == []
    sound.optouts.change([sound.people("alice")[0].account], restricted, NOW)
    assert found(sound) == [RESTRICTED]


def test_an_account_that_a_hold_keeps_is_not_looked_for(sound: Sound) -> None:
    swept(sound, RequestKind.ERASE, "alice")
    until = NOW.date() + timedelta(days=9)
    sound.holds.add_accounts([sound.people("alice")[0].account], "legal", "case", until, NOW)
    assert found(sound) == []


def test_a_list_that_cannot_be_read_is_a_doubt_and_the_rest_is_scanned(sound: Sound) -> None:
    def unreadable() -> None:
        raise EnvironmentProblem("The list cannot be read")

    scanned = scan_everything(sound.audited(optouts=unreadable))
    (doubt,) = scanned.doubts
    assert doubt.checks == (ERASED, PURGED, RESTRICTED)
    assert scanned.rows == 2


def test_a_dashboard_is_scanned_where_there_is_one(sound: Sound) -> None:
    site = sound.folder / "site"
    site.mkdir()
    (site / "notes.txt").write_text("x")
    scanned = scan_everything(sound.audited(site=site))
    assert "dashboard/notes.txt" in [one.place for one in scanned.findings]
