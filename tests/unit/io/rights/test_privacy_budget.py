"""A day's budget is spent once, by whoever comes first, and is never given back."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.rights.privacy_budget import ReleaseLedger

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAYS = [date(2026, 11, 22), date(2026, 11, 23)]
LIMIT = 0.5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "releases.ndjson"


def test_nothing_is_spent_before_the_first_release(path: Path) -> None:
    assert ReleaseLedger(path).spent() == {}
    assert not path.exists()


def test_a_day_is_given_until_its_budget_is_spent(path: Path) -> None:
    ledger = ReleaseLedger(path)
    assert ledger.spend(DAYS, 0.2, LIMIT, NOW) == DAYS
    assert ledger.spend(DAYS[:1], 0.3, LIMIT, NOW) == DAYS[:1]
    assert ledger.spend(DAYS, 0.3, LIMIT, NOW) == DAYS[1:]
    assert ledger.spend(DAYS, 0.0001, LIMIT, NOW) == []
    assert ledger.spent() == {DAYS[0]: pytest.approx(0.5), DAYS[1]: pytest.approx(0.5)}


def test_what_is_spent_is_known_to_the_next_process(path: Path) -> None:
    ReleaseLedger(path).spend(DAYS, 0.4, LIMIT, NOW)
    assert ReleaseLedger(path).spend(DAYS, 0.2, LIMIT, NOW) == []


def test_a_limit_of_many_small_parts_is_reached_exactly(path: Path) -> None:
    ledger = ReleaseLedger(path)
    given = [ledger.spend(DAYS[:1], 0.1, 0.3, NOW) for _ in range(4)]
    assert given == [DAYS[:1]] * 3 + [[]]


def test_releases_at_once_do_not_spend_it_twice(path: Path) -> None:
    given: list[date] = []

    def release() -> None:
        given.extend(ReleaseLedger(path).spend(DAYS, 0.2, LIMIT, NOW))

    threads = [threading.Thread(target=release) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == sorted(DAYS * 2)


@pytest.mark.parametrize("line", ["alice", "{}", '{"day": 5}', '{"day":"2026-11-22","rho":"x"}'])
def test_a_ledger_that_cannot_be_read_stops_every_release(path: Path, line: str) -> None:
    ledger = ReleaseLedger(path)
    ledger.spend(DAYS, 0.1, LIMIT, NOW)
    path.write_text(path.read_text() + line + "\n")
    for use in (ReleaseLedger(path).spent, lambda: ledger.spend(DAYS, 0.1, LIMIT, NOW)):
        with pytest.raises(EnvironmentProblem, match="cannot be used") as caught:
            use()
        assert "alice" not in str(caught.value)


def test_a_ledger_that_is_gone_is_not_begun_anew(path: Path) -> None:
    ledger = ReleaseLedger(path)
    ledger.spend(DAYS, 0.1, LIMIT, NOW)
    path.unlink()
    with pytest.raises(EnvironmentProblem, match="cannot be used"):
        ReleaseLedger(path).spend(DAYS, 0.1, LIMIT, NOW)
