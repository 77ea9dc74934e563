"""Who is dropped, when, and what is left of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.events.model import Drop, RawBatch
from pipeline.privacy.identity.tokens import token
from pipeline.privacy.optout import OptOutGate, OptOutState, Standing
from tests.privacy_rows import KEY, buffers_of, raw_batch

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us(hour: float) -> int:
    """Microseconds of an hour of the test's day."""
    return (NOON + timedelta(hours=hour - 12) - EPOCH) // timedelta(microseconds=1)


def at(hour: float) -> datetime:
    """An hour of the test's day."""
    return NOON + timedelta(hours=hour - 12)


def state(**standings: Standing) -> OptOutState:
    """A list with the standings of these accounts."""
    return OptOutState(
        {token(KEY, "optout", account): standing for account, standing in standings.items()}
    )


def gated(batch: RawBatch, who: OptOutState) -> RawBatch:
    """What the gate leaves of a batch at noon."""
    field = {"session": "started_at"}.get(batch.event, "occurred_at")
    return OptOutGate(KEY).drop(batch, who, us(12), time_field=field)


def drop(rows: list[dict[str, Any]], who: OptOutState, event: str = "api_request") -> RawBatch:
    """What the gate leaves of the rows at noon."""
    return gated(raw_batch(event, rows), who)


def left(batch: RawBatch) -> list[str]:
    """Event ids that are left."""
    found: list[str] = batch.rows.column("event_id").to_pylist()
    return found


def test_whoever_is_opted_out_now_loses_every_event_whatever_its_time() -> None:
    rows = [{"account_id": "a", "occurred_at": at(hour)} for hour in (-100, 8, 11, 12, 12.05)]
    result = drop(rows, state(a=Standing(intervals=((us(11), None),))))
    assert left(result) == []
    assert result.dropped == {Drop.OPT_OUT: 5}


def test_after_opting_in_again_events_from_inside_the_interval_stay_out() -> None:
    times = [
        at(7),
        at(8) - timedelta(microseconds=1),
        at(8),
        at(9.5),
        at(10) - timedelta(microseconds=1),
        at(10),
        at(11),
    ]
    rows = [{"account_id": "a", "occurred_at": moment} for moment in times]
    result = drop(rows, state(a=Standing(intervals=((us(8), us(10)),))))
    assert left(result) == ["event-0", "event-1", "event-5", "event-6"]
    assert result.dropped == {Drop.OPT_OUT: 3}


def test_several_intervals_count_each() -> None:
    rows = [{"account_id": "a", "occurred_at": at(hour)} for hour in range(12)]
    intervals = ((us(1), us(3)), (us(3), us(4)), (us(9), us(9)), (us(10), us(11)))
    result = drop(rows, state(a=Standing(intervals=intervals)))
    assert left(result) == [f"event-{hour}" for hour in (0, 4, 5, 6, 7, 8, 9, 11)]


@pytest.mark.parametrize(
    ("interval", "in_force"),
    [
        ((us(12), None), True),
        ((us(12) + 1, None), True),  # the clock of the list may be ahead
        ((us(11), us(12)), False),
        ((us(11), us(12) + 1), True),
        ((us(12), us(13)), True),
        ((us(13), us(14)), False),
    ],
)
def test_an_opt_out_is_in_force_from_its_start_until_its_end(
    interval: tuple[int, int | None], in_force: bool
) -> None:
    result = drop([{"account_id": "a", "occurred_at": at(1)}], state(a=Standing((interval,))))
    assert (left(result) == []) is in_force


@pytest.mark.parametrize(
    ("standing", "reason"),
    [
        (Standing(erased_at=us(1)), Drop.ERASED),
        (Standing(erased_at=0), Drop.ERASED),
        (Standing(restricted=us(1)), Drop.RESTRICTED),
        (Standing(restricted=0), Drop.RESTRICTED),
        (Standing(((us(1), None),), erased_at=us(2), restricted=us(2)), Drop.ERASED),
        (Standing(((us(1), None),), restricted=us(2)), Drop.RESTRICTED),
        (Standing(((us(1), None),)), Drop.OPT_OUT),
    ],
)
def test_one_row_is_counted_under_one_reason(standing: Standing, reason: Drop) -> None:
    row = {"account_id": "a", "occurred_at": at(20), "gpc": "1"}
    result = drop([row, {"account_id": "b"}], state(a=standing))
    assert left(result) == ["event-1"]
    assert result.dropped == {reason: 1}


def test_a_standing_without_any_wish_drops_nothing() -> None:
    rows = [{"account_id": "a"}]
    assert left(drop(rows, state(a=Standing()))) == ["event-0"]


@pytest.mark.parametrize("field", ["gpc", "dnt"])
@pytest.mark.parametrize(
    ("value", "dropped"),
    [
        ("1", True),
        ("0, 1", True),
        ("0,1,0", True),
        (None, False),
        ("", False),
        ("0", False),
        ("01", False),
        ("1.0", False),
        ("true", False),
        ("１", False),
        ("1;1", False),
        ("11", False),
        ("\x00", False),
    ],
)
def test_a_signal_drops_only_if_it_is_exactly_one(
    field: str, value: str | None, dropped: bool
) -> None:
    result = drop([{field: value}, {}], OptOutState())
    assert result.dropped == ({Drop.SIGNAL: 1} if dropped else {})
    assert left(result) == (["event-1"] if dropped else ["event-0", "event-1"])


def test_events_without_account_obey_signals_alone() -> None:
    rows: list[dict[str, Any]] = [{"account_id": None}, {"account_id": ""}, {"dnt": "1"}]
    everybody = state(a=Standing(erased_at=us(1)))
    assert left(drop(rows, everybody)) == ["event-0", "event-1"]


@pytest.mark.parametrize("account", ["A", "a ", "a\u0301", "aa", "a" * 257, "a" * 100_000, "\x00"])
def test_only_exactly_that_account_is_meant(account: str) -> None:
    assert left(drop([{"account_id": account}], state(a=Standing(erased_at=us(1))))) == ["event-0"]


def test_the_time_of_a_session_is_its_start() -> None:
    rows = [
        {"account_id": "a", "started_at": at(7), "ended_at": at(9)},
        {"account_id": "a", "started_at": at(9), "ended_at": at(11)},
    ]
    result = drop(rows, state(a=Standing(((us(8), us(10)),))), event="session")
    assert left(result) == ["event-0"]


def test_an_event_without_a_time_may_be_from_inside_an_opt_out() -> None:
    former = state(a=Standing(((us(8), us(10)),)))
    rows = [{"account_id": name, "occurred_at": None} for name in "ab"]
    assert left(drop(rows, former)) == ["event-1"]
    batch = raw_batch("api_request", [{"account_id": "a"}, {"account_id": "b"}])
    timeless = batch.rows.drop_columns(["occurred_at"])
    for renamed in (timeless, batch.rows):
        again = RawBatch(batch.span, batch.event, 2, renamed)
        result = OptOutGate(KEY).drop(again, former, us(12), time_field="happened_at")
        assert left(result) == ["event-1"]


def test_the_caller_can_name_the_time_field() -> None:
    rows = [{"account_id": "a", "started_at": at(9), "ended_at": at(11)}]
    batch = raw_batch("session", rows)
    former = state(a=Standing(((us(8), us(10)),)))
    for name, expected in (("started_at", []), ("ended_at", ["event-0"])):
        assert left(OptOutGate(KEY).drop(batch, former, us(12), time_field=name)) == expected


def test_nothing_of_a_dropped_row_stays_in_memory() -> None:
    rows = [
        {"account_id": "gone-account", "user_agent": "gone-agent", "client_ip": "9.9.9.9"},
        {"account_id": "stays", "user_agent": "kept-agent", "client_ip": "8.8.8.8"},
    ] * 50
    held = buffers_of(drop(rows, state(**{"gone-account": Standing(erased_at=1)})).rows)
    for text in (b"gone-account", b"gone-agent", b"9.9.9.9"):
        assert text not in held
    assert b"kept-agent" in held


def test_a_batch_that_nothing_forbids_passes_untouched() -> None:
    batch = raw_batch("api_request", [{"account_id": "b"}])
    assert gated(batch, state(a=Standing(erased_at=1))) is batch


def test_counts_of_earlier_stages_are_kept() -> None:
    batch = drop([{"gpc": "1"}, {}, {"account_id": "a"}], OptOutState())
    again = gated(batch, state(a=Standing(erased_at=1)))
    assert again.dropped == {Drop.SIGNAL: 1, Drop.ERASED: 1}
    assert again.read == 3


def test_the_list_may_change_between_batches() -> None:
    gate, batch = OptOutGate(KEY), raw_batch("api_request", [{"account_id": "a"}])
    out = state(a=Standing(((us(1), None),)))
    assert [
        gate.drop(batch, who, us(12), time_field="occurred_at").rows.num_rows
        for who in (OptOutState(), out, state())
    ] == [1, 0, 1]


@pytest.mark.parametrize("shape", ["dictionary", "sliced", "empty", "bare", "null"])
def test_awkward_batches_are_dropped_from_as_well(shape: str) -> None:
    rows = [{"account_id": name, "gpc": "1" if name == "s" else None} for name in "abs" * 4]
    batch = raw_batch("api_request", rows)
    columns = batch.rows
    if shape == "dictionary":
        columns = pa.RecordBatch.from_arrays(
            [
                column.dictionary_encode() if pa.types.is_string(column.type) else column
                for column in columns.columns
            ],
            names=columns.schema.names,
        )
    elif shape == "sliced":
        columns = columns.slice(3, 6)
    elif shape == "empty":
        columns = columns.slice(0, 0)
    elif shape == "bare":
        columns = columns.select(["account_id", "gpc", "event_id"])
    elif shape == "null":
        columns = pa.RecordBatch.from_arrays(
            [pa.nulls(12, field.type) for field in columns.schema], names=columns.schema.names
        )
    batch = RawBatch(batch.span, batch.event, columns.num_rows, columns)
    result = gated(batch, state(a=Standing(erased_at=1)))
    expected = {
        "dictionary": {Drop.ERASED: 4, Drop.SIGNAL: 4},
        "sliced": {Drop.ERASED: 2, Drop.SIGNAL: 2},
        "bare": {Drop.ERASED: 4, Drop.SIGNAL: 4},
    }.get(shape, {})
    assert result.dropped == expected
    assert result.rows.num_rows == columns.num_rows - sum(expected.values())
    assert (
        not any(pa.types.is_dictionary(kind) for kind in result.rows.schema.types) or not expected
    )


def test_many_accounts_with_a_past_opt_out_are_told_apart() -> None:
    rows = [
        {"account_id": f"a{number % 50}", "occurred_at": at(number % 24 - 12)}
        for number in range(1200)
    ]
    standings = {
        f"a{number}": Standing(((us(number % 24 - 12), us(number % 24 - 11)),))
        for number in range(50)
    }
    result = drop(rows, state(**standings))
    expected = [f"event-{number}" for number in range(1200) if (number % 50) % 24 != number % 24]
    assert left(result) == expected


def test_covers_is_half_open() -> None:
    standing = Standing(((10, 20), (30, None)))
    times = np.array([9, 10, 19, 20, 29, 30, 10**18], dtype=np.int64)
    assert standing.covers(times).tolist() == [False, True, True, False, False, True, True]
