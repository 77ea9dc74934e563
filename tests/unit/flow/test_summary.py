"""Tallies add up in any order, and a summary says what the command line shows."""

from __future__ import annotations

import signal

from hypothesis import given
from hypothesis import strategies as st

from pipeline.flow.summary import Summary, Tally

COUNTS = st.integers(0, 1000)
REASONS = st.dictionaries(st.sampled_from(["not_json", "too_old", "signal"]), st.integers(1, 99))
TALLIES = st.builds(Tally, COUNTS, COUNTS, REASONS, REASONS, COUNTS)


@given(TALLIES, TALLIES, TALLIES)
def test_adding_is_associative_and_commutative(one: Tally, two: Tally, three: Tally) -> None:
    assert (one + two) + three == one + (two + three)
    assert one + two == two + one
    assert one + Tally() == one


def test_a_summary_as_json() -> None:
    tally = Tally(10, 7, {"too_old": 1, "not_json": 1}, {"signal": 1}, 2, {"rtt_ms.negative": 3})
    document = Summary(tally, 2.0).as_dict()
    assert document == {
        "read": 10,
        "written": 7,
        "rejected": {"not_json": 1, "too_old": 1},
        "dropped": {"signal": 1},
        "nulled": {"rtt_ms": {"negative": 3}},
        "files": 2,
        "seconds": 2.0,
        "events_per_second": 5,
    }
    assert list(document["rejected"]) == ["not_json", "too_old"]  # type: ignore[call-overload]


def test_exit_codes_of_stops() -> None:
    codes = [Summary(Tally(), 0, stopped_by=by).exit_code for by in (None, 15, signal.SIGINT)]
    assert codes == [0, 0, 130]


def test_a_run_without_time_has_no_speed() -> None:
    assert Summary(Tally(5), 0.0).events_per_second == 0.0


def test_a_run_that_rejects_everything_exits_with_1() -> None:
    def code(read: int, **rejected: int) -> int:
        return Summary(Tally(read, 0, rejected), 0).exit_code

    assert code(2, not_json=1, too_old=1) == 1
    assert code(3, not_json=2) == 0
    assert code(0) == 0
    # Said to be the producer's fault, or the run would have stopped.
    assert code(2, in_future=2) == 0
    assert Summary(Tally(1, 0, {"not_json": 1}), 0, stopped_by=signal.SIGINT).exit_code == 130
