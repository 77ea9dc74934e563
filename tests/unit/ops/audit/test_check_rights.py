"""Requests are carried out in time, are on record, and the record cannot be changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.io.rights.request_queue import RequestKind
from pipeline.io.standings.entries import erased
from pipeline.ops.audit.audit import Observation, Verdict
from pipeline.ops.audit.check_rights import RIGHTS
from pipeline.privacy.identity.epochs import epoch_of
from tests.unit.ops.sound import KIND, NOW, Sound

DAY = timedelta(days=1)


@pytest.fixture
def sound(tmp_path: Path) -> Iterator[Sound]:
    made = Sound(tmp_path)
    yield made
    made.lake.close()


def look(sound: Sound, name: str, **changes: Any) -> Observation:
    return RIGHTS[name].look(sound.audited(**changes))


LIMITS = [
    ("erasures_in_time", RequestKind.ERASE, 30 * DAY),
    ("purges_in_time", RequestKind.PURGE, 30 * DAY),
    ("exports_in_time", RequestKind.EXPORT, 30 * DAY),
    ("restrictions_in_time", RequestKind.RESTRICT, 30 * DAY),
    ("restrictions_in_time", RequestKind.RELEASE, 30 * DAY),
    ("children_in_time", RequestKind.ERASE_UNDER_13, 3 * DAY),
]


@pytest.mark.parametrize(("name", "kind", "limit"), LIMITS)
def test_a_request_is_late_once_its_limit_has_passed(
    sound: Sound, name: str, kind: RequestKind, limit: timedelta
) -> None:
    assert look(sound, name).verdict is Verdict.NOT_APPLICABLE
    number = sound.ask(kind, "alice", ago=limit - timedelta(minutes=1))
    assert look(sound, name).verdict is Verdict.KEPT
    late = look(sound, name, now=NOW + timedelta(minutes=2))
    assert (late.verdict, number in late.evidence[0]) == (Verdict.BROKEN, True)
    assert "alice" not in str(late)


def test_a_request_that_a_hold_keeps_back_is_not_late(sound: Sound) -> None:
    sound.ask(RequestKind.ERASE, "alice", ago=40 * DAY)
    account = sound.people("alice")[0].account
    until = NOW.date() + 9 * DAY
    sound.holds.add_accounts([account], "legal", "case 1", until, NOW)
    seen = look(sound, "erasures_in_time")
    assert (seen.verdict, "1 kept back" in seen.detail) == (Verdict.KEPT, True)


def test_what_was_destroyed_is_in_a_receipt(sound: Sound) -> None:
    assert look(sound, "receipts_complete").verdict is Verdict.NOT_APPLICABLE
    epoch = epoch_of(NOW.date(), KIND)
    sound.keys.epoch_key(epoch)
    sound.keys.destroy(epoch.name)
    seen = look(sound, "receipts_complete")
    assert (seen.verdict, epoch.name in seen.evidence[0]) == (Verdict.BROKEN, True)
    sound.receipts.write("expire", {"keys_destroyed": [epoch.name]}, NOW)
    assert look(sound, "receipts_complete").verdict is Verdict.KEPT


def test_a_receipt_that_was_changed_is_found_by_its_line(sound: Sound) -> None:
    for number in range(3):
        sound.receipts.write("forget", {"tombstones": number}, NOW)
    assert look(sound, "receipts_chained").verdict is Verdict.KEPT
    path = sound.state / "receipts.ndjson"
    lines = path.read_text().splitlines()
    changed = json.loads(lines[1])
    changed["body"]["tombstones"] = 7
    path.write_text(
        "\n".join([lines[0], json.dumps(changed, separators=(",", ":")), lines[2]]) + "\n"
    )
    seen = look(sound, "receipts_chained")
    assert (seen.verdict, seen.evidence[0].startswith("line 2")) == (Verdict.BROKEN, True)


def test_a_list_without_news_is_not_known(sound: Sound) -> None:
    old = look(sound, "optout_list_known", optouts=lambda: ({}, timedelta(minutes=16)))
    assert (old.verdict, "16 minutes old" in old.detail) == (Verdict.BROKEN, True)
    new = look(sound, "optout_list_known", optouts=lambda: ({}, timedelta(minutes=15)))
    assert new.verdict is Verdict.KEPT


def test_an_erased_account_has_its_tombstone(sound: Sound) -> None:
    number = sound.ask(RequestKind.ERASE, "alice")
    sound.sweep()
    seen = look(sound, "optout_list_known")
    assert (seen.verdict, number in seen.evidence[0]) == (Verdict.BROKEN, True)
    sound.optouts.change([sound.people("alice")[0].account], erased, NOW)
    assert look(sound, "optout_list_known").verdict is Verdict.KEPT
