"""A topic id beside a position: two numbers in the log, one id again."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import pytest

from pipeline.io.kafka import identity
from pipeline.io.kafka.identity import NO_EPOCH, stand_of, text_of

IDS = [
    uuid.UUID("ffffffff-ffff-4fff-bfff-ffffffffffff"),
    uuid.UUID("00000000-0000-4000-8000-000000000001"),
    uuid.UUID("7fffffff-ffff-4fff-8fff-ffffffffffff"),
]


class Log:
    """What a lake's log keeps under application ids."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}

    def __call__(self, app_ids: Sequence[str]) -> list[int | None]:
        return [self.of.get(app_id) for app_id in app_ids]


@pytest.mark.parametrize("topic_id", IDS)
def test_an_id_comes_back_from_the_log_as_it_was_written(topic_id: uuid.UUID) -> None:
    log = Log()
    fresh = stand_of(log, "t", 3)
    assert (fresh.position, fresh.topic_id, fresh.epoch) == (None, None, None)
    for mark in fresh.marks(topic_id, 7):
        assert mark.before is None
        assert -(2**63) <= mark.after < 2**63
        log.of[mark.app_id] = mark.after
    log.of["kafka/t/3"] = 100
    known = stand_of(log, "t", 3)
    assert (known.position, known.topic_id, known.epoch) == (100, topic_id, 7)


def test_what_the_broker_does_not_tell_stays_as_it_is() -> None:
    assert stand_of(Log(), "t", 0).marks(None, None) == ()


def test_a_decision_forgets_an_epoch_that_was_known() -> None:
    log = Log()
    log.of["kafka/t/0/epoch"] = 4
    (mark,) = stand_of(log, "t", 0).marks(None, NO_EPOCH)
    assert (mark.before, mark.after) == (4, NO_EPOCH)
    assert stand_of(Log(), "t", 0).marks(None, NO_EPOCH) == ()


OLD, NEW = uuid.UUID(int=1), uuid.UUID(int=2)


def test_a_replaced_topic_names_both_ids_what_was_read_and_the_command() -> None:
    told = str(identity.replaced("t", OLD, NEW, {1: 80, 0: 120}))
    assert text_of(OLD) in told
    assert text_of(NEW) in told
    assert "partition 0 up to 120, partition 1 up to 80" in told
    assert "`telemetry kafka accept t --as new`" in told


def test_a_damaged_batch_names_its_messages_and_the_gap() -> None:
    told = str(identity.damaged("t", 2, 100, 150))
    assert "messages 100 to 149" in told
    assert "`telemetry kafka gap --topic t --partition 2 --to 150`" in told
    assert "--to OFFSET" in str(identity.damaged("t", 2, 100, None))


def test_a_cut_log_names_where_it_differs() -> None:
    told = str(identity.truncated("t", {0: 50, 1: None}))
    assert "partition 0 from 50 on, partition 1 from an unknown offset on" in told


def test_an_end_before_the_position_names_both() -> None:
    told = str(identity.past_end("t", 0, 1000, 5, NEW))
    assert "position 1000 is past the partition's end 5" in told
