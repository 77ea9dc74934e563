"""The guard finds the messages that a stage fails on, and tells of them without their content."""

from __future__ import annotations

import logging

import pytest

from pipeline.errors import KeyUnavailable, TelemetryError
from pipeline.events.model import Offsets, Span, Stage
from pipeline.flow.steps.guard import PROBES, find_culprits, guarded

SPAN = Span("file", "abc", 0, 10, 500)
SECRET = "alice@example.com"


class Picky:
    """A stage that fails on certain messages, and quotes them as libraries do."""

    def __init__(self, count: int, *bad: int) -> None:
        self.count, self.bad, self.calls = count, set(bad), 0

    def __call__(self, kept: Offsets | None) -> list[int]:
        self.calls += 1
        rows = range(self.count) if kept is None else kept.tolist()
        if self.bad & set(rows):
            raise ValueError(f"cannot parse {SECRET}")
        return list(rows)


def culprits(stage: Picky) -> list[int]:
    kept, found = find_culprits(Stage.DECODE, SPAN, stage.count, stage)
    assert sorted([*kept, *found.tolist()]) == list(range(stage.count))
    return found.tolist()


def test_a_stage_that_succeeds_is_called_once() -> None:
    stage = Picky(1000)
    assert culprits(stage) == []
    assert stage.calls == 1


@pytest.mark.parametrize("bad", [(0,), (999,), (500, 501), (3, 77, 400, 998)])
def test_single_messages_are_found(bad: tuple[int, ...]) -> None:
    stage = Picky(1000, *bad)
    assert culprits(stage) == list(bad)
    assert stage.calls < 150


@pytest.mark.parametrize("count", [1, 2, PROBES - 1])
def test_a_few_messages_may_all_be_bad(count: int) -> None:
    assert culprits(Picky(count, *range(count))) == list(range(count))


@pytest.mark.parametrize("count", [PROBES, 100_000])
def test_a_stage_that_fails_on_everything_stops_the_run(count: int) -> None:
    stage = Picky(count, *range(count))
    with pytest.raises(TelemetryError, match=r"decode failed .*ValueError"):
        culprits(stage)
    assert stage.calls <= PROBES + 1


def test_a_stage_that_fails_on_nothing_stops_the_run() -> None:
    def fail(kept: Offsets | None) -> None:
        raise ValueError

    with pytest.raises(TelemetryError):
        find_culprits(Stage.ANONYMIZE, SPAN, 0, fail)


def test_failing_only_together_stops_the_run() -> None:
    def fail(kept: Offsets | None) -> int:
        if kept is None or len(kept) > 900:
            raise ValueError
        return 0

    with pytest.raises(TelemetryError):
        find_culprits(Stage.DECODE, SPAN, 1000, fail)


def test_nothing_of_a_message_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        culprits(Picky(100, 5))
        with pytest.raises(TelemetryError) as caught:
            culprits(Picky(100, *range(100)))
    assert "ValueError" in caplog.text
    assert SECRET not in caplog.text
    error: BaseException | None = caught.value
    assert SECRET not in str(error)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_errors_of_ours_pass_through() -> None:
    def fail(kept: Offsets | None = None) -> None:
        raise KeyUnavailable("the key is missing")

    with pytest.raises(KeyUnavailable):
        find_culprits(Stage.ANONYMIZE, SPAN, 5, fail)
    with pytest.raises(KeyUnavailable):
        guarded("Write", SPAN, fail)


def test_lack_of_memory_is_no_messages_fault() -> None:
    def fail(kept: Offsets | None) -> None:
        bytearray(1 << 60)

    with pytest.raises(TelemetryError, match="memory"):
        find_culprits(Stage.DECODE, SPAN, 100, fail)
