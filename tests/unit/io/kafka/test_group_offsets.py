"""Positions are told to a consumer group now and then; a failure is logged once and delays nothing.

A broker takes them in `tests/integration/kafka`; here answers are laid down one by one.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from kafka import errors as kafka_errors

from pipeline.errors import EnvironmentProblem
from pipeline.io.kafka import group_offsets
from pipeline.io.kafka.client import KafkaAccess
from pipeline.io.kafka.group_offsets import PUBLISH_SECONDS, RETRY_SECONDS, Publication


class Admin:
    """Takes offsets of a group, or answers with errors."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.taken: list[dict[int, int]] = []
        self.fails: BaseException | type | None = None
        self.closed = 0

    def connect(self, _: KafkaAccess) -> Admin:
        if isinstance(self.fails, BaseException):
            raise self.fails
        return self

    def alter_group_offsets(self, group: str, offsets: dict[Any, Any]) -> dict[Any, Any]:
        assert group == "lag"
        self.taken.append({at.partition: told.offset for at, told in offsets.items()})
        return dict.fromkeys(offsets, self.fails or kafka_errors.NoError)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> Admin:
    made = Admin()
    monkeypatch.setattr(group_offsets, "connect_admin", made.connect)
    monkeypatch.setattr(time, "monotonic", lambda: made.now)
    return made


def publication() -> Publication:
    return Publication(KafkaAccess(("broker:9092",)), "sessions", "lag")


def test_the_newest_positions_are_told_when_it_is_time(admin: Admin) -> None:
    told = publication()
    told.note(0, 5)
    told.note(1, 7)
    admin.now += PUBLISH_SECONDS
    told.note(0, 9)
    assert admin.taken == [{0: 9, 1: 7}]
    told.note(0, 10)
    assert len(admin.taken) == admin.closed == 1


def test_what_is_left_is_told_at_the_end_and_nothing_twice(admin: Admin) -> None:
    told = publication()
    told.note(0, 5)
    told.close()
    told.close()
    assert admin.taken == [{0: 5}]


@pytest.mark.parametrize(
    "failure",
    [
        EnvironmentProblem("no brokers"),
        kafka_errors.KafkaConnectionError("alice@example.com"),
        OSError("alice@example.com"),
        kafka_errors.GroupAuthorizationFailedError,
    ],
)
def test_a_failure_is_a_line_in_the_log_and_tried_again_later(
    admin: Admin, caplog: pytest.LogCaptureFixture, failure: BaseException | type
) -> None:
    told = publication()
    admin.fails = failure
    told.note(0, 5)
    assert not told.publish()
    assert "lag tools are behind" in caplog.text
    assert "alice" not in caplog.text
    admin.fails = None
    admin.now += RETRY_SECONDS - 1
    told.note(0, 6)
    assert {0: 6} not in admin.taken
    admin.now += 1
    told.note(0, 7)
    assert admin.taken[-1] == {0: 7}
