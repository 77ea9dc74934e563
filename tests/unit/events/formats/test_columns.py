"""Identities of messages that have none of their own."""

from __future__ import annotations

from pipeline.events.formats.columns import position_of
from tests.property.decoding import slice_of


def test_a_message_is_known_by_its_source_and_place() -> None:
    assert position_of(slice_of("session", [b"x"])) == "kafka/topic/0/"
