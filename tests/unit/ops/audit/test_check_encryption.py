"""Where files are to be encrypted all of them are, each with its own epoch's key."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.events.promises import Promise
from pipeline.io.lake.lake import Lake
from pipeline.io.parquet.encryption import Encryption
from pipeline.ops.audit.audit import Check, Observation, Verdict, audit
from pipeline.ops.audit.check_encryption import ENCRYPTION
from pipeline.privacy.identity.epochs import EpochKind
from tests.unit.ops.sound import KIND, Sound

CHECK: Check = ENCRYPTION["files_encrypted"]
ROWS = [{"account_id": "alice"}]


def look(sound: Sound, kind: EpochKind | None) -> Observation:
    encryption = Encryption(lambda: sound.keys, kind)
    lake = Lake(sound.lake.root, encryption=encryption)
    promise = Promise("P01", "Words", (CHECK.name,))
    report = audit(sound.audited(lake=lake), [promise], {CHECK.name: CHECK})
    return report.proofs[0].results[0].observation


def test_a_lake_in_the_clear_is_none_of_its_business(tmp_path: Path) -> None:
    sound = Sound(tmp_path)
    sound.store(ROWS)
    assert look(sound, None).verdict is Verdict.NOT_APPLICABLE


def test_encrypted_files_are_opened_each_with_its_key(tmp_path: Path) -> None:
    sound = Sound(tmp_path, KIND)
    sound.store(ROWS)
    seen = look(sound, KIND)
    assert (seen.verdict, seen.detail.startswith("1 file, ")) == (Verdict.KEPT, True)
    assert look(sound, None).verdict is Verdict.KEPT


def test_a_plain_file_where_all_should_be_encrypted_is_named(tmp_path: Path) -> None:
    sound = Sound(tmp_path)
    sound.store(ROWS)
    seen = look(sound, KIND)
    assert seen.verdict is Verdict.BROKEN
    assert seen.evidence[0].endswith(sound.parts()[0].name)


@pytest.mark.parametrize("content", ["another key", "plain"])
def test_a_file_that_does_not_open_with_its_key_breaks_the_promise(
    tmp_path: Path, content: str
) -> None:
    sound, other = Sound(tmp_path / "a", KIND), Sound(tmp_path / "b", KIND)
    for one in (sound, other):
        one.store(ROWS)
    if content == "plain":
        other = Sound(tmp_path / "c")
        other.store(ROWS)
    sound.parts()[0].write_bytes(other.parts()[0].read_bytes())
    assert look(sound, KIND).verdict is Verdict.BROKEN
