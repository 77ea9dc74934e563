"""Lines become messages, all acknowledged; a refusal is told without the line."""

from __future__ import annotations

import pytest
from kafka import errors as kafka_errors
from kafka.record import MemoryRecords

from pipeline.errors import EnvironmentProblem
from pipeline.io.kafka.produce import produce_lines
from tests.unit.io.kafka.broker import Broker

BLOCKS = [b'{"n":1}\n{"n":2}\n', b'{"n":3}\n']


def test_each_line_is_one_message_without_key() -> None:
    with Broker(partitions=2) as broker:
        assert produce_lines(broker.access, broker.topic, iter(BLOCKS)) == 21
        values = []
        for log in broker.logs.values():
            records = MemoryRecords(log.records(0))
            while (batch := records.next_batch()) is not None:
                values += [(record.key, record.value) for record in batch]
    assert sorted(values, key=str) == [(None, b'{"n":%d}' % number) for number in (1, 2, 3)]


def test_a_message_that_is_refused_is_told_by_kind_and_not_quoted() -> None:
    with Broker() as broker:
        broker.refuses = kafka_errors.TopicAuthorizationFailedError
        with pytest.raises(EnvironmentProblem) as caught:
            produce_lines(broker.access, broker.topic, [b"canary\n"])
    assert caught.value.what == "1 message could not be delivered"
    assert caught.value.why == "TopicAuthorizationFailedError"
    assert "canary" not in str(caught.value)
