"""What a run is told: sources by name, formats that fit, one clock, and what flags describe."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.cli.wiring.opening import keys_opener
from pipeline.cli.wiring.ports import given_source, make_ports, make_sources, open_formats
from pipeline.errors import SettingsError, UsageError
from pipeline.io.files.source import FileSource, FileSourceSettings
from pipeline.io.kafka.source import KafkaSource, KafkaSourceSettings
from pipeline.io.source_kind import SourceKind
from pipeline.settings import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FILES = FileSourceSettings(event="session", files=("in",))
TOPIC = KafkaSourceSettings(event="api_request", servers=("a:9092",), topic="t", start="latest")


def now() -> datetime:
    return NOW


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    base = Settings()
    return replace(
        base,
        lake=replace(base.lake, path=str(tmp_path / "lake")),
        state=replace(base.state, path=tmp_path / "state"),
        sources={"stream": TOPIC, "files": FILES},
    )


def test_sources_come_in_the_order_of_their_names(settings: Settings) -> None:
    files, stream = make_sources(settings, keys_opener(settings, now), {})
    assert isinstance(files, FileSource)
    assert isinstance(stream, KafkaSource)
    assert (files.name, files.event, stream.name, stream.topic) == (
        *("files", "session"),
        *("stream", "t"),
    )
    assert stream.latest


def test_a_run_is_described_without_anything_being_opened(settings: Settings) -> None:
    ports = make_ports(settings, fixed_now=NOW, once=True)
    assert ports.clock() == NOW
    assert (ports.pace.to_end, ports.pace.flush_seconds) == (True, 15.0)
    assert pickle.loads(pickle.dumps(ports)).pace == ports.pace
    assert settings.state.path is not None
    assert settings.state.path.stat().st_mode & 0o777 == 0o700
    assert list(settings.state.path.iterdir()) == []
    assert not Path(str(settings.lake.path)).exists()


def test_without_a_source_there_is_nothing_to_read(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="nothing to read"):
        make_ports(replace(settings, sources={}), fixed_now=NOW)


def test_an_event_without_a_schema_is_named_by_its_source(settings: Settings) -> None:
    wrong = replace(settings, sources={"one": replace(FILES, event="sesion")})
    with pytest.raises(SettingsError, match=r"sources\.one\.event"):
        make_ports(wrong, fixed_now=NOW)


def test_a_format_says_the_event(settings: Settings) -> None:
    named = replace(settings, sources={"edge": FileSourceSettings(format="segment", files=("in",))})
    formats = open_formats(named)
    (source,) = make_sources(named, keys_opener(named, now), formats)
    assert (formats["edge"].event, source.event) == ("feature_use", "feature_use")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (FileSourceSettings(event="session", format="segment", files=("in",)), "carries another"),
        (FileSourceSettings(format="iis", files=("in",), envelope="docker"), "no envelope"),
        (KafkaSourceSettings(format="iis", servers=("a:1",), topic="t"), "does not keep"),
    ],
)
def test_a_format_that_does_not_fit_its_source_is_refused(
    settings: Settings, source: SourceKind, said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        open_formats(replace(settings, sources={"one": source}))


def test_flags_describe_one_source_or_none() -> None:
    assert given_source({}, None, None, None) is None
    assert given_source({"files": ("a", "b"), "topic": None}, "session", None, None) == {
        "input": FileSourceSettings(event="session", files=("a", "b"))
    }
    assert given_source({"servers": "a:1, b:2", "topic": "t"}, "session", None, None) == {
        "kafka": KafkaSourceSettings(event="session", servers=("a:1", "b:2"), topic="t")
    }


@pytest.mark.parametrize(
    ("given", "words", "said"),
    [
        ({}, ("session", None, None), "there is no input"),
        ({"files": ("a",), "servers": "b:1", "topic": "t"}, ("session", None, None), "or a topic"),
        ({"servers": "b:1"}, ("session", None, None), "either files or a topic"),
        ({"files": ("a",)}, (None, None, None), "--event is missing"),
        ({"files": ("a",)}, (None, None, "docker"), "--event is missing"),
        ({"files": ("a",)}, ("session", None, "docker"), "lines of a format"),
    ],
)
def test_flags_that_describe_no_source_are_refused(
    given: dict[str, object], words: tuple[str | None, str | None, str | None], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        given_source(given, *words)
