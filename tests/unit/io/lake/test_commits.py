"""What each commit said of its messages is read from the log, oldest first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from pipeline.events.model import Drop
from pipeline.io.delta.log_files import entry_name
from pipeline.io.lake.commits import commits_of, history_of, midnight_after
from pipeline.io.lake.lake import Lake
from tests.unit.io.lakes import DAYS, EVENT, batch, table_of


@pytest.fixture
def filled(lake: Lake) -> Lake:
    table = table_of(lake)
    one = replace(
        batch(0, 10, rejected=(3,)),
        read=12,
        dropped={Drop.OPT_OUT: 2},
        nulled={("rtt_ms", "negative"): 4},
    )
    table.commit(one)
    table.rewrite(table.snapshot().by_day()[DAYS[0]], metadata={"job": "test"})
    table.commit(batch(10, 14))
    return lake


def test_a_commit_accounts_for_all_its_messages_in_words_of_ours(filled: Lake) -> None:
    newest, (first, second) = commits_of(table_of(filled).log, EVENT)
    assert newest == 3
    assert (first.event, first.version, first.read, first.written) == (EVENT, 1, 12, 9)
    assert (first.rejected, first.dropped) == ({"not_json": 1}, {"opt_out": 2})
    assert first.nulled == {"rtt_ms.negative": 4}
    assert first.read == first.written + 1 + 2
    assert (second.version, second.rejected, second.dropped, second.nulled) == (3, {}, {}, {})


def test_a_rewrite_has_no_account(filled: Lake) -> None:
    _, found = commits_of(table_of(filled).log, EVENT)
    assert [commit.version for commit in found] == [1, 3]


def test_only_what_is_new_is_read(filled: Lake) -> None:
    log = table_of(filled).log
    assert [commit.version for commit in commits_of(log, EVENT, since=2)[1]] == [3]
    assert commits_of(log, EVENT, since=4) == (3, [])


def test_the_time_of_a_commit_is_in_utc(filled: Lake) -> None:
    _, (first, _) = commits_of(table_of(filled).log, EVENT)
    assert first.at.tzinfo is UTC
    assert abs(datetime.now(UTC) - first.at) < timedelta(minutes=5)


def test_a_table_that_was_not_created_has_none(lake: Lake) -> None:
    assert commits_of(table_of(lake).log, EVENT) == (-1, [])


def test_a_commit_of_a_version_that_counted_less_has_empty_accounts(lake: Lake) -> None:
    log = table_of(lake).log
    log.commit(log.ensure(), [], {"file/abc/0": 5}, {"read": 5, "written": 5})
    _, (commit,) = commits_of(log, EVENT)
    assert (commit.rejected, commit.dropped, commit.nulled) == ({}, {}, {})


def test_a_log_that_was_shortened_holds_whole_days_from_the_next_midnight_on(filled: Lake) -> None:
    log = table_of(filled).log
    whole = history_of(log, EVENT)
    assert (whole.is_whole, whole.since, len(whole.commits)) == (True, date.min, 2)
    log.shorten()
    (log.folder / entry_name(0)).unlink()
    again = history_of(table_of(Lake(filled.root)).log, EVENT)
    first = table_of(Lake(filled.root)).log.history()[0]
    assert (again.is_whole, again.since) == (False, midnight_after(first.at_ms))
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert midnight_after(int(at.timestamp() * 1000)) == date(2026, 11, 21)
