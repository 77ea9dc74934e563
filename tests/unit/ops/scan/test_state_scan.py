"""The state folder's files hold tokens, times and words of ours, line by line, and nothing else."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.io.keys.keystore import KEY_BYTES
from pipeline.io.rights.request_queue import RequestKind
from pipeline.ops.scan.places import Holds
from pipeline.ops.scan.state_scan import (
    KEYS,
    STATE,
    file_rules,
    line_rules,
    scan_document,
    scan_lines,
    scan_text,
)
from pipeline.privacy.identity.epochs import epoch_of
from tests.privacy_rows import SCHEMAS
from tests.unit.ops.sound import KIND, NOW, Sound

LINES, DOCUMENTS = line_rules(SCHEMAS), file_rules(SCHEMAS)
EMAIL = "alice@example.com"
MARKER = b'{"generation": 3, "left": [1, 2], "states": [[5, "%b"]]}' % (b"a" * 64)
OLD_MARKER = b'{"generation": 3, "states": [[5, "%b"]]}' % (b"a" * 64)
FILES = {
    Holds.STANDINGS: "optout.ndjson",
    Holds.REQUESTS: "requests.ndjson",
    Holds.RECEIPTS: "receipts.ndjson",
    Holds.HOLDS: "holds.ndjson",
}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Files as their own writers write them."""
    sound = Sound(tmp_path)
    sound.keys.epoch_key(epoch_of(NOW.date(), KIND))
    sound.optouts.add(["alice"], NOW)
    sound.ask(RequestKind.ERASE, "alice")
    sound.receipts.write("forget", {"tombstones": 1}, NOW)
    sound.holds.add(NOW.date(), NOW.date(), "legal", "case 1", NOW.date() + timedelta(days=9), NOW)
    return sound.state


def lines(content: bytes, holds: Holds) -> list[str]:
    found = [str(one) for one in scan_lines("state/x", content, LINES[holds])]
    assert not any(EMAIL in one for one in found)
    return found


@pytest.mark.parametrize("holds", FILES)
def test_what_our_writers_write_fits(state: Path, holds: Holds) -> None:
    content = (state / FILES[holds]).read_bytes()
    assert content.strip()
    assert lines(content, holds) == []


@pytest.mark.parametrize("holds", FILES)
def test_any_other_key_or_line_is_found_where_it_is(state: Path, holds: Holds) -> None:
    content = (state / FILES[holds]).read_bytes()
    entry: dict[str, Any] = json.loads(content.splitlines()[0])
    extra = json.dumps({**entry, EMAIL: EMAIL}).encode()
    found = lines(b"\n".join([content.strip(), extra, EMAIL.encode(), b"   ", b"{"]), holds)
    count = len(content.splitlines())
    assert found[0] == f"state/x:{count + 1}, : a key that is not declared"
    assert f"state/x:{count + 2}: not a line of this file" in found
    assert f"state/x:{count + 4}: not a line of this file" in found


@pytest.mark.parametrize(
    ("holds", "key"),
    [(Holds.STANDINGS, "token"), (Holds.REQUESTS, "account"), (Holds.HOLDS, "reason")],
)
def test_an_identifier_in_place_of_a_token_or_a_word_is_found(
    state: Path, holds: Holds, key: str
) -> None:
    entry = json.loads((state / FILES[holds]).read_bytes().splitlines()[0])
    (found,) = lines(json.dumps({**entry, key: EMAIL}).encode(), holds)
    assert found.startswith(f"state/x:1, {key}: ")


def test_a_receipts_body_is_that_of_its_kind(state: Path) -> None:
    entry = json.loads((state / "receipts.ndjson").read_bytes())
    (found,) = lines(json.dumps({**entry, "body": {"tombstones": EMAIL}}).encode(), Holds.RECEIPTS)
    assert found == "state/x:1, body.tombstones: not a whole number"


def test_the_index_of_keys_is_one_document_of_ours(state: Path) -> None:
    content = (state / "keys" / "index.json").read_bytes()
    rule = DOCUMENTS[Holds.KEY_INDEX]
    assert list(scan_document("state/keys/index.json", content, rule)) == []
    changed = {**json.loads(content), "owner": EMAIL}
    (found,) = scan_document("i", json.dumps(changed).encode(), rule)
    assert (found.checks, EMAIL in str(found)) == ((STATE,), False)
    (torn,) = scan_document("i", content[:-3], rule)
    assert "not a JSON document" in torn.reason


@pytest.mark.parametrize(
    ("holds", "fits", "others"),
    [
        (Holds.NOTHING, [b""], [b"\n", EMAIL.encode()]),
        (Holds.RECEIPTS_HEAD, [b"7 " + b"a" * 64 + b"\n"], [b"", b"7 " + b"A" * 64 + b"\n"]),
        (Holds.WRITER, [b"/lake", b"s3://bucket/lake"], [b"", EMAIL.encode(), b"a\nb"]),
        (Holds.MARKER, [b"", MARKER, OLD_MARKER], [b"5", EMAIL.encode(), b"[]"]),
        (Holds.CLAIM, [b"", b"5 7\n"], [b"5 7", EMAIL.encode()]),
    ],
)
def test_a_small_file_has_the_form_of_its_place(
    holds: Holds, fits: list[bytes], others: list[bytes]
) -> None:
    assert [list(scan_text("p", content, holds)) for content in fits] == [[]] * len(fits)
    for content in others:
        (found,) = scan_text("p", content, holds)
        assert found.checks == (STATE,)


def test_a_key_is_32_bytes_and_is_not_shown() -> None:
    assert list(scan_text("k", bytes(KEY_BYTES), Holds.KEY)) == []
    (found,) = scan_text("k", b"short", Holds.KEY)
    assert (found.checks, "short" in str(found)) == ((KEYS, STATE), False)
