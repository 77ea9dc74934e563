"""What `telemetry doctor` finds, and its checks of whatever sources read from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pipeline.cli.frame.options import Invocation
from pipeline.cli.wiring.opening import kinds_of


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
    """Look for what each source reads, and ask the brokers of its topics."""
    from pipeline.cli.wiring.topics import topics_of

    for name, source in kinds_of(call.settings):
        found = source.look()
        if found:
            yield Examined(f"source {name}", State.OK, f"{found} of {source.event}")
    topics = [(source.servers, source.topic) for _, source in topics_of(call.settings)]
    for servers in sorted({servers for servers, _ in topics}):
        yield from _kafka(call, servers, [topic for mine, topic in topics if mine == servers])


def _kafka(call: Invocation, servers: tuple[str, ...], topics: list[str]) -> Iterator[Examined]:
    from pipeline.cli.wiring.topics import kafka_access
    from pipeline.io.kafka.access_check import check_access

    for found in check_access(kafka_access(servers, call.settings), read=topics):
        yield Examined(found.name, State(found.state), found.detail, found.remedy)


def registries(call: Invocation) -> Iterator[Examined]:
    """Ask the schema registry of each source that names one."""
    from pipeline.cli.wiring.topics import registry_openers, topics_of
    from pipeline.io.registry.access_check import check_registry

    topics = {name: source.topic for name, source in topics_of(call.settings)}
    for name, opened in sorted(registry_openers(call.settings).items()):
        found = check_registry(opened(), topics[name])
        yield Examined(f"registry of {name}", State(found.state), found.detail, found.remedy)
