"""What the benchmarks read: the share that is opted out does not depend on the input's length."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.inputs import opted_out


@pytest.mark.parametrize("accounts", [400, 40_000])
def test_a_twentieth_of_the_accounts_is_opted_out_at_every_length(
    accounts: int, tmp_path: Path
) -> None:
    source = tmp_path / "in.ndjson"
    # The first account has most events, as in real traffic.
    ids = ["acct_0"] * accounts + [f"acct_{number * 7919 % accounts}" for number in range(accounts)]
    source.write_text("".join(json.dumps({"account_id": one}) + "\n" for one in ids), "utf-8")
    chosen = opted_out(tmp_path, source).read_text("utf-8").split()
    assert len(chosen) == len(set(chosen)) == accounts / 20


def test_lines_that_are_no_events_and_ids_with_awkward_letters_are_left_out(tmp_path: Path) -> None:
    source = tmp_path / "in.ndjson"
    source.write_text('{"account_id":"a b"}\nnot JSON\n[]\n{"account_id":"acct_1"}\n', "utf-8")
    assert opted_out(tmp_path, source).read_text("utf-8") == "acct_1\n"
