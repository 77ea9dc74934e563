"""The kind of a source is told by its settings alone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pipeline.errors import SettingsError
from pipeline.io.files.source import FileSourceSettings
from pipeline.io.kafka.source import KafkaSourceSettings
from pipeline.settings.source import kind_of

KINDS = (FileSourceSettings, KafkaSourceSettings)


def test_a_kind_is_found_by_the_settings_that_it_needs() -> None:
    assert kind_of(KINDS, {"event": "e", "files": ("a",)}, "here") is FileSourceSettings
    topic = {"format": "f", "envelope": "cri", "servers": ("a",), "topic": "t", "group": "g"}
    assert kind_of(KINDS, topic, "here") is KafkaSourceSettings


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"files": ("a",)}, "no event"),
        ({"event": "e", "files": ("a",), "envelope": "cri"}, "envelope"),
        ({"event": "e"}, "either files, or servers and a topic"),
        ({"event": "e", "files": ()}, "either files"),
        ({"event": "e", "topic": "t"}, "either files"),
        ({"event": "e", "files": ("a",), "topic": "t"}, "either files"),
        ({"event": "e", "files": ("a",), "group": "g"}, "no effect on a source of files"),
    ],
)
def test_anything_else_is_refused_where_it_stands(values: Mapping[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        kind_of(KINDS, values, "here")
    assert refused.value.where.startswith("here")
    assert refused.value.remedy
