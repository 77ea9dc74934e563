"""What a source reads from is looked for, and who it asks is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.frame.options import Invocation
from pipeline.cli.frame.output import Output
from pipeline.cli.wiring.examining import State, registries, sources
from pipeline.errors import TelemetryError
from pipeline.io.files.source import FileSourceSettings
from pipeline.io.kafka.source import KafkaSourceSettings
from pipeline.settings import Settings
from pipeline.settings.source import SourceSettings
from pipeline.settings.table import Table
from tests.integration.services.ports import free_port
from tests.unit.io.registry.registry_server import registry


def call(**kinds: SourceSettings) -> Invocation:
    return Invocation(Output(), Settings(sources=Table(kinds)))


def test_files_of_a_source_are_counted(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.ndjson").write_text("{}\n")
    source = FileSourceSettings(event="session", files=(str(tmp_path),))
    (found,) = sources(call(mine=source))
    assert (found.name, found.state, found.detail) == (
        "source mine",
        State.OK,
        "2 files of session",
    )


def test_files_that_are_gone_are_an_error(tmp_path: Path) -> None:
    source = FileSourceSettings(event="session", files=(str(tmp_path / "none"),))
    with pytest.raises(TelemetryError):
        list(sources(call(mine=source)))


def test_brokers_and_registries_that_do_not_answer_fail() -> None:
    nobody = f"127.0.0.1:{free_port()}"
    source = KafkaSourceSettings(
        event="session", servers=(nobody,), topic="sessions", registry=f"http://{nobody}"
    )
    assert State.FAIL in {found.state for found in sources(call(mine=source))}
    (found,) = registries(call(mine=source))
    assert (found.name, found.state) == ("registry of mine", State.FAIL)
    assert found.remedy


def test_a_registry_is_asked_for_the_topic_of_its_source() -> None:
    with registry() as served:
        source = KafkaSourceSettings(
            event="session", servers=("127.0.0.1:1",), topic="t", registry=served.url
        )
        (found,) = registries(call(edge=source))
    assert (found.name, found.state) == ("registry of edge", State.WARN)
    assert served.asked == ["/subjects/t-value/versions/latest"]
