"""`telemetry receipts`: the chain is listed, and any change to it is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.commands.tiny import Tiny


@pytest.fixture
def chain(tiny: Tiny) -> Path:
    for account in ("a@example.com", "b@example.com"):
        tiny.say("restrict", account)
    return tiny.state / "receipts.ndjson"


def test_receipts_are_listed_with_their_hashes(tiny: Tiny, chain: Path) -> None:
    found = tiny.call("receipts", "list")["receipts"]
    assert [(one["receipt"], one["kind"]) for one in found] == [(1, "restrict"), (2, "restrict")]
    assert tiny.call("receipts", "verify") == {"receipts": 2, "last": found[-1]["hash"]}


def test_a_receipt_that_was_changed_breaks_the_chain_where_it_stands(
    tiny: Tiny, chain: Path
) -> None:
    first, second = chain.read_text("utf-8").splitlines()
    chain.write_text(f"{first}\n{second.replace('restrict', 'release_')}\n", "utf-8")
    assert f"{chain}:2" in tiny.refused("receipts", "verify", code=3)
