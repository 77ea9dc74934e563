"""What `telemetry doctor` finds, and its checks of whatever sources read from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pipeline.cli.frame.options import Invocation
from pipeline.errors import counted


class State(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Examined:
    """One thing that was looked at."""

    name: str
    state: State
    detail: str
    remedy: str = ""


def sources(call: Invocation) -> Iterator[Examined]:
    """Look for the files of each source, and ask the brokers of its topics."""
    from pipeline.io.files.paths import find_inputs, require_inputs

    for name, source in sorted(call.settings.sources.items()):
        if source.files:
            require_inputs(source.files)
            found = len(find_inputs(source.files))
            detail = f"{counted(found, 'file')} of {source.event}"
            yield Examined(f"source {name}", State.OK, detail)
    topics = [
        (source.servers, source.topic)
        for source in call.settings.sources.values()
        if source.topic is not None
    ]
    for servers in sorted({servers for servers, _ in topics}):
        yield from _kafka(call, servers, [topic for mine, topic in topics if mine == servers])


def _kafka(call: Invocation, servers: tuple[str, ...], topics: list[str]) -> Iterator[Examined]:
    from pipeline.cli.wiring.topics import kafka_access
    from pipeline.io.kafka.access_check import check_access

    for found in check_access(kafka_access(servers, call.settings), read=topics):
        yield Examined(found.name, State(found.state), found.detail, found.remedy)


def registries(call: Invocation) -> Iterator[Examined]:
    """Ask the schema registry of each source that names one."""
    from pipeline.cli.wiring.topics import registry_openers
    from pipeline.io.registry.access_check import check_registry

    for name, opened in sorted(registry_openers(call.settings).items()):
        topic = call.settings.sources[name].topic
        assert topic is not None, "the settings refuse a registry without a topic"
        found = check_registry(opened(), topic)
        yield Examined(f"registry of {name}", State(found.state), found.detail, found.remedy)
