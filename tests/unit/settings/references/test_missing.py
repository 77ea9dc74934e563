"""What is said when nothing is behind a reference."""

from __future__ import annotations

import pytest

from pipeline.errors import EnvironmentProblem, SettingsError
from pipeline.settings.references.missing import client_of, entry_of


def test_an_entry_or_the_whole_text_is_returned() -> None:
    assert entry_of("text", "", "kafka.password", "aws-sm") == "text"
    assert entry_of('{"a": "b"}', "a", "kafka.password", "aws-sm") == "b"


@pytest.mark.parametrize("text", ["hunter2", "[]", '{"b": "hunter2"}', '"hunter2"'])
def test_a_text_without_the_entry_is_not_shown(text: str) -> None:
    with pytest.raises(SettingsError, match="no such entry") as caught:
        entry_of(text, "a", "kafka.password", "aws-sm")
    assert "hunter2" not in str(caught.value)
    assert caught.value.where == "kafka.password"


def test_a_client_that_is_not_installed_is_named_by_its_extra() -> None:
    with pytest.raises(EnvironmentProblem, match="of Nobody") as caught:
        client_of("no_such_client", "no-sm", "Nobody", "no")
    assert "telemetry-pipeline[no]" in caught.value.remedy
