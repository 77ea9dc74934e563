"""From settings to `flow.ports.Ports`: what a run reads, knows and writes, as openers.

Everything here is picklable: worker processes and other Beam runners open things for themselves,
and secrets travel as references.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from pipeline.cli.kafka_lists import kafka_access, list_access
from pipeline.cli.opening import (
    country_path,
    encryption_of,
    keys_opener,
    lake_at,
    make_policy,
    open_schemas,
    open_state,
)
from pipeline.errors import SettingsError, UsageError
from pipeline.flow.endpoint import Endpoint
from pipeline.flow.ports import FixedClock, Opener, OptOutSource, Ports, WallClock, utc_now
from pipeline.io.files import FileSource
from pipeline.io.geo import CountryDatabase
from pipeline.io.keystore import Keystore
from pipeline.io.optout_list import OptOutFile
from pipeline.io.resources import load_catalogue, load_schemas
from pipeline.io.source import Pace, Source
from pipeline.settings import Settings, SourceSettings

OPTOUT_FILE = "optout.ndjson"


def make_ports(
    settings: Settings, *, fixed_now: datetime | None, backfill: bool = False, once: bool = False
) -> Ports:
    """Describe a run of all sources in the settings.

    Raises SettingsError if there is no source, or one for an event without schema.
    """
    state = open_state(settings)
    clock: WallClock = utc_now if fixed_now is None else FixedClock(fixed_now)
    keys = keys_opener(settings, clock)
    return Ports(
        sources=make_sources(settings, keys),
        schemas=partial(load_schemas, settings.schemas.directory),
        catalogue=partial(load_catalogue, settings.catalogue.directory),
        keys=keys,
        optout=_optout(settings, state, keys, clock),
        country=partial(CountryDatabase, country_path(settings)),
        lake=partial(
            lake_at,
            settings.need_lake(),
            dict(settings.lake.storage),
            state,
            encryption_of(settings, clock),
        ),
        policy=make_policy(settings, backfill=backfill),
        pace=Pace(
            slice_bytes=settings.flush.bytes,
            flush_seconds=settings.flush.interval.total_seconds(),
            to_end=once,
        ),
        clock=clock,
        metrics=_endpoint(settings),
    )


def make_sources(settings: Settings, keys: partial[Keystore]) -> tuple[Source, ...]:
    """The sources of the settings, in the order of their names."""
    if not settings.sources:
        raise SettingsError(
            "there is nothing to read",
            remedy="Pass --input PATH --event EVENT, or write a [sources.NAME] section",
        )
    events = open_schemas(settings)
    sources: list[Source] = []
    for name, source in sorted(settings.sources.items()):
        if source.event not in events:
            raise SettingsError(
                "the source's event has no schema",
                where=f"sources.{name}.event",
                remedy=f"Use one of {', '.join(sorted(events))}",
            )
        if source.files:
            claims = settings.need_state() / "claims"
            files_key = partial(_files_key, keys)
            sources.append(FileSource(name, source.event, source.files, claims, files_key))
        else:
            sources.append(_kafka_source(name, source, settings))
    return tuple(sources)


def given_source(
    inputs: Sequence[str], servers: str | None, topic: str | None, event: str | None
) -> dict[str, SourceSettings] | None:
    """The one source that flags describe; None if they describe none. Raises UsageError."""
    if not inputs and servers is None and topic is None:
        if event is not None:
            raise UsageError(
                "--event says what an input carries, and there is no input",
                remedy="Add --input PATH, or --kafka SERVERS --topic TOPIC",
            )
        return None
    if bool(inputs) == (servers is not None) or (servers is None) != (topic is None):
        raise UsageError(
            "an input is either files or a topic",
            remedy="Give --input PATH, or --kafka SERVERS with --topic TOPIC",
        )
    if event is None:
        raise UsageError(
            "--event is missing", remedy="Name the event that the input carries: --event EVENT"
        )
    if servers is None:
        return {"input": SourceSettings(event=event, files=tuple(inputs))}
    hosts = tuple(server.strip() for server in servers.split(","))
    return {"kafka": SourceSettings(event=event, servers=hosts, topic=topic)}


def _endpoint(settings: Settings) -> Endpoint | None:
    port = settings.metrics.port
    return None if port is None else Endpoint(port, settings.metrics.address)


def open_optout_file(state: Path, keys: partial[Keystore]) -> OptOutFile:
    """The opt-out list of the state folder."""
    return OptOutFile(state / OPTOUT_FILE, keys().permanent_key("optout"))


def _optout(
    settings: Settings, state: Path, keys: partial[Keystore], clock: WallClock
) -> Opener[OptOutSource]:
    if settings.kafka.optout_topic is None:
        return partial(open_optout_file, state, keys)
    from pipeline.io.kafka_optout import OptOutTopic

    return partial(
        OptOutTopic,
        list_access(settings),
        settings.kafka.optout_topic,
        clock,
        stale_after=settings.privacy.optout_stale_after,
    )


def _files_key(keys: partial[Keystore]) -> bytes:
    return keys().permanent_key("files")


def _kafka_source(name: str, source: SourceSettings, settings: Settings) -> Source:
    from pipeline.io.kafka_source import KafkaSource

    assert source.topic is not None
    return KafkaSource(
        name=name,
        event=source.event,
        topic=source.topic,
        access=kafka_access(source.servers, settings),
        committed_only=settings.kafka.read_committed,
        latest=source.start == "latest",
        group=source.group,
    )
