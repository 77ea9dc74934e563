"""What settings name is found by one function each."""

from __future__ import annotations

import pytest

from pipeline.cli.wiring.opening import event_of, newest_schema, open_schemas
from pipeline.errors import TelemetryError, UsageError
from pipeline.io.files.source import FileSourceSettings
from pipeline.io.package_data import load_schemas
from pipeline.settings import Settings

SCHEMAS = load_schemas()


def test_a_source_carries_the_event_that_it_or_its_format_says() -> None:
    assert event_of(FileSourceSettings(event="session", files=("in",)), SCHEMAS) == "session"
    assert event_of(FileSourceSettings(format="segment", files=("in",)), SCHEMAS) == "feature_use"


def test_a_format_that_nobody_knows_is_refused_with_the_nearest() -> None:
    with pytest.raises(TelemetryError, match="did you mean 'nginx_json'"):
        event_of(FileSourceSettings(format="ngnix_json", files=("in",)), SCHEMAS)


def test_an_event_without_a_schema_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        newest_schema(open_schemas(Settings()), "sesion")
    assert "session" in caught.value.remedy
