"""OpenLineage run events around a command: it starts, and completes, fails or is aborted.

Datasets have names but no address: `sources.NAME` of the settings, `events/EVENT` of the lake. An
event holds the command's name, these, times and a random id; no option, no count, no error.
Without `[lineage]` nothing is imported and nothing is done.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final

import click

from pipeline import __version__
from pipeline.errors import TelemetryError
from pipeline.settings import Settings
from pipeline.settings.secrets import reveal

PRODUCER: Final = f"urn:telemetry-pipeline:{__version__}"
SCHEMA_URL: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"

_SOURCES, _EVENTS, _RESTRICTED = "sources.", "events/", "restricted/"
"""A dataset of each source, or of each event."""
_STORED = (_EVENTS, _RESTRICTED, "rejections")
FLOWS: Final[Mapping[str, tuple[Sequence[str], Sequence[str]]]] = {
    "run": ((_SOURCES,), (_EVENTS, "rejections")),
    "seal": ((_EVENTS,), (_EVENTS,)),
    "expire": (_STORED, _STORED),
    "erase": ((_EVENTS, _RESTRICTED), (_EVENTS, _RESTRICTED)),
    "restrict": ((_EVENTS,), (_EVENTS, _RESTRICTED)),
    "release": ((_RESTRICTED,), (_EVENTS, _RESTRICTED)),
    "export": ((_EVENTS, _RESTRICTED), ()),
    "requests.work": ((_EVENTS, _RESTRICTED), (_EVENTS, _RESTRICTED)),
    "sql": ((_EVENTS, "rejections"), ()),
    "audit": (_STORED, ()),
    "rollup": ((_EVENTS, "rejections"), ("rollups",)),
    "dashboard.build": (("rollups",), ("dashboard",)),
    "iceberg.sync": ((_EVENTS,), ("iceberg/",)),
}
"""What each command reads and writes; one that is not here does neither. A name that ends with a
dot or a slash stands for one dataset of each source or event."""

Send = Callable[[Mapping[str, object]], None]


@contextmanager
def lineage(settings: Settings) -> Iterator[Callable[[object], None]]:
    """Report the command that runs inside; it hands over its exit code at the end."""
    ways = _ways(settings)
    code: list[object] = []
    if not ways:
        yield code.append
        return
    tell = partial(_tell, ways, settings, str(uuid.uuid4()))
    tell("START")
    try:
        yield code.append
    except (KeyboardInterrupt, click.Abort):
        tell("ABORT")
        raise
    except BaseException:
        tell("FAIL")
        raise
    tell("FAIL" if code and isinstance(code[0], int) and code[0] else "COMPLETE")


def _ways(settings: Settings) -> list[Send]:
    told = settings.lineage
    if told.file is None and told.endpoint is None:
        return []
    from pipeline.io.lineage import append_to, send_to

    ways: list[Send] = [] if told.file is None else [partial(append_to, told.file)]
    if told.endpoint is not None:
        header = told.authorization
        opened = None if header is None else partial(reveal, header, "lineage.authorization")
        ways.append(partial(send_to, told.endpoint, opened))
    return ways


def _tell(ways: Sequence[Send], settings: Settings, run: str, state: str) -> None:
    path = click.get_current_context().command_path.split()[1:]
    reads, writes = FLOWS.get(".".join(path), ((), ()))
    event = {
        "eventType": state,
        "eventTime": datetime.now(UTC).isoformat(),
        "run": {"runId": run, "facets": {}},
        "job": {
            "namespace": settings.lineage.namespace,
            "name": ".".join(["telemetry", *path]),
            "facets": {},
        },
        "inputs": _datasets(settings, reads),
        "outputs": _datasets(settings, writes),
        "producer": PRODUCER,
        "schemaURL": SCHEMA_URL,
    }
    for way in ways:
        way(event)


def _datasets(settings: Settings, names: Sequence[str]) -> list[Mapping[str, object]]:
    found: list[str] = []
    for name in names:
        if name == _SOURCES:
            found += [f"{name}{source}" for source in sorted(settings.sources)]
        elif name.endswith("/"):
            found += [f"{name}{event}" for event in _events(settings)]
        else:
            found.append(name)
    space = settings.lineage.namespace
    return [{"namespace": space, "name": name, "facets": {}} for name in found]


def _events(settings: Settings) -> list[str]:
    from pipeline.io.package_data import load_catalogue, load_schemas

    try:
        catalogue = load_catalogue(settings.catalogue.directory)
        return sorted(load_schemas(settings.schemas.directory, catalogue))
    except TelemetryError:  # which the command itself is about to say
        return []
