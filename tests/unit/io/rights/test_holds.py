"""Holds of days and of accounts: bounded, named, kept without an id, and ended."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem, UsageError
from pipeline.io.rights.holds import Holds

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TODAY = NOW.date()
TOKENS = [f"{number:032x}" for number in (7, 3)]
DAY = timedelta(days=1)


@pytest.fixture
def holds(tmp_path: Path) -> Holds:
    return Holds(tmp_path / "state" / "holds.ndjson")


def test_a_hold_of_accounts_holds_them_until_its_day_has_passed(holds: Holds) -> None:
    made = holds.add_accounts([*TOKENS, TOKENS[0]], "legal", "case 1", TODAY + 9 * DAY, NOW)
    assert made.accounts == tuple(sorted(TOKENS))
    assert (made.first, made.last, made.days) == (None, None, ())
    assert holds.all() == [made]
    assert holds.accounts(TODAY + 9 * DAY) == set(TOKENS)
    assert holds.accounts(TODAY + 10 * DAY) == set()
    assert holds.days(TODAY) == {}


def test_a_hold_of_days_holds_no_account(holds: Holds) -> None:
    holds.add(date(2026, 9, 1), date(2026, 9, 2), "legal", "case 1", TODAY, NOW)
    assert holds.accounts(TODAY) == set()
    assert list(holds.days(TODAY)) == [date(2026, 9, 1), date(2026, 9, 2)]


def test_an_ended_hold_holds_nobody(holds: Holds) -> None:
    made = holds.add_accounts(TOKENS, "legal", "case 1", TODAY + DAY, NOW)
    holds.end(made.hold, NOW)
    assert holds.accounts(TODAY) == set()
    assert holds.active(TODAY) == []


def test_no_hold_outlives_half_a_year_or_has_no_owner(holds: Holds) -> None:
    for owner, until in (("legal", TODAY + 181 * DAY), ("legal", TODAY - DAY), (" ", TODAY)):
        with pytest.raises(UsageError):
            holds.add_accounts(TOKENS, owner, "case 1", until, NOW)
    assert holds.all() == []


def test_a_hold_does_not_print_its_accounts(holds: Holds) -> None:
    made = holds.add_accounts(TOKENS, "legal", "case 1", TODAY, NOW)
    assert not [token for token in TOKENS if token in repr(made)]


def test_a_line_from_before_there_were_holds_of_accounts_is_read(
    holds: Holds, tmp_path: Path
) -> None:
    made = holds.add(TODAY, TODAY, "legal", "case 1", TODAY, NOW)
    path = tmp_path / "state" / "holds.ndjson"
    line = json.loads(path.read_text())
    del line["accounts"]
    path.write_text(json.dumps(line) + "\n")
    (tmp_path / "state" / ".holds.ndjson.created").write_bytes(b"")
    assert holds.all() == [made]


def test_holds_that_are_lost_or_broken_hold_up_everything(holds: Holds, tmp_path: Path) -> None:
    holds.add_accounts(TOKENS, "legal", "case 1", TODAY, NOW)
    path = tmp_path / "state" / "holds.ndjson"
    content = path.read_text()
    path.write_text(content + '{"hold": "x"}\n')
    with pytest.raises(EnvironmentProblem, match="not a hold"):
        holds.accounts(TODAY)
    path.unlink()
    with pytest.raises(EnvironmentProblem, match="is gone"):
        holds.accounts(TODAY)
