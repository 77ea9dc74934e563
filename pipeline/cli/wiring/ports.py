"""From settings to `flow.ports.Ports`: what a run reads, knows and writes, as openers.

Everything here is picklable: worker processes and other Beam runners open things for themselves,
and secrets travel as references.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from pipeline.cli.declared import DECLARED
from pipeline.cli.frame.options import check_envelope
from pipeline.cli.wiring.fitting import open_fitting_lake
from pipeline.cli.wiring.lists import optout_source
from pipeline.cli.wiring.opening import (
    country_opener,
    keys_opener,
    kinds_of,
    make_policy,
    one_of,
    open_schemas,
)
from pipeline.cli.wiring.state import open_private_state
from pipeline.cli.wiring.topics import kafka_access, registry_openers
from pipeline.errors import SettingsError, UsageError
from pipeline.events.formats.lines import header_of
from pipeline.events.formats.model import Envelope, Format, Reads, in_envelope
from pipeline.flow.metrics_endpoint import Endpoint
from pipeline.flow.otlp_collector import Collector
from pipeline.flow.ports import FixedClock, Ports, WallClock, utc_now
from pipeline.io.kafka.source import KafkaSourceSettings
from pipeline.io.keys.keystore import Keystore
from pipeline.io.package_data import load_catalogue, load_format, load_schemas
from pipeline.io.source import Pace, Source
from pipeline.io.source_kind import Around
from pipeline.io.source_kinds import KINDS
from pipeline.settings import Settings, SourceSettings
from pipeline.settings.declared import Declaration
from pipeline.settings.secrets import reveal
from pipeline.settings.values import ValueRefused


def make_ports(
    settings: Settings,
    formats: Mapping[str, Format] | None = None,
    *,
    fixed_now: datetime | None,
    backfill: bool = False,
    once: bool = False,
    clock_is_right: bool = False,
    input_is_right: bool = False,
) -> Ports:
    """Describe a run of all sources in the settings; `formats` as `open_formats` gives them.

    Raises SettingsError if there is no source, or one for an event without schema.
    """
    open_private_state(settings)
    settings.need_lake()
    formats = open_formats(settings) if formats is None else formats
    clock: WallClock = utc_now if fixed_now is None else FixedClock(fixed_now)
    keys = keys_opener(settings, clock)
    return Ports(
        sources=make_sources(settings, keys, formats),
        schemas=partial(load_schemas, settings.schemas.directory, settings.catalogue.directory),
        catalogue=partial(load_catalogue, settings.catalogue.directory),
        keys=keys,
        optout=optout_source(settings, clock),
        country=country_opener(settings),
        lake=partial(open_fitting_lake, settings, clock),
        formats=formats,
        registries=registry_openers(settings),
        policy=make_policy(settings, backfill=backfill),
        pace=Pace(
            slice_bytes=settings.flush.bytes,
            flush_seconds=settings.flush.interval.total_seconds(),
            to_end=once,
        ),
        clock=clock,
        clock_is_right=clock_is_right,
        input_is_right=input_is_right,
        metrics=_endpoint(settings),
        collector=_collector(settings),
    )


def open_formats(settings: Settings) -> Mapping[str, Format]:
    """The format of each source that has one, by the source's name.

    Raises SettingsError for a format that does not load, or is for another event than its source.
    """
    named = {name: one for name, one in settings.sources.items() if one.format is not None}
    if not named:
        return {}
    schemas = open_schemas(settings)
    found: dict[str, Format] = {}
    for name, source in named.items():
        found[name] = in_envelope(load_format(str(source.format), schemas), source.envelope)
        _check_header(name, source, found[name])
        _check_registry(name, source, found[name])
        if source.event not in ("", found[name].event):
            raise SettingsError(
                f"the format makes events {found[name].event}, and the source carries another",
                where=f"sources.{name}.event",
                remedy="Leave the event out: the format says it",
            )
    return found


def _check_header(name: str, source: SourceSettings, format_: Format) -> None:
    """Refuse a W3C log whose `#Fields:` nobody could find."""
    if format_.reads is not Reads.W3C:
        return
    if format_.envelope is not Envelope.NONE:
        raise SettingsError(
            "a W3C log is a file, and comes in no envelope", where=f"sources.{name}.envelope"
        )
    if isinstance(source, KafkaSourceSettings) and not format_.layout.columns:
        raise SettingsError(
            "the format names its columns in the lines before, which a topic does not keep",
            where=f"sources.{name}.format",
            remedy="Copy the format (schemas/formats/), add columns = [...], and name the copy",
        )


def _check_registry(name: str, source: SourceSettings, format_: Format) -> None:
    """Refuse a format of lines of text for messages that have named fields."""
    plain = format_.reads is Reads.JSON and format_.envelope is Envelope.NONE
    if isinstance(source, KafkaSourceSettings) and source.registry is not None and not plain:
        raise SettingsError(
            "messages of a schema registry have named fields, and the format reads lines of text",
            where=f"sources.{name}.format",
            remedy='Name a format with reads = "json" and no envelope, or remove the registry',
        )


def make_sources(
    settings: Settings, keys: partial[Keystore], formats: Mapping[str, Format]
) -> tuple[Source, ...]:
    """The sources of the settings, in the order of their names."""
    if not settings.sources:
        raise SettingsError(
            "there is nothing to read",
            remedy="Pass --input PATH --event EVENT, or write a [sources.NAME] section",
        )
    events = open_schemas(settings)
    sources: list[Source] = []
    for name, source in kinds_of(settings):
        if name in formats:
            source = replace(source, event=formats[name].event)
        if source.event not in events:
            raise SettingsError(
                "the source's event has no schema",
                where=f"sources.{name}.event",
                remedy=one_of(source.event, events),
            )
        around = Around(
            name=name,
            event=source.event,
            state=settings.need_state(),
            permanent_key=partial(_permanent_key, keys),
            kafka=partial(kafka_access, settings=settings),
            read_committed=settings.kafka.read_committed,
            header=header_of(formats[name]) if name in formats else b"",
        )
        sources.append(source.make(around))
    return tuple(sources)


def given_source(
    given: Mapping[str, object], event: str | None, format_: str | None, envelope: str | None
) -> dict[str, SourceSettings] | None:
    """The one source that flags describe; None if they describe none. Raises UsageError.

    `given` holds what flags of `source_kinds.KINDS` gave, by setting; None or empty: not given.
    """
    named = {key: value for key, value in given.items() if value}
    uses = ", or ".join(kind.FLAGS_SAY[1] for kind in KINDS)
    if not named:
        if event is not None or format_ is not None:
            raise UsageError(
                "--event and --format say what an input carries, and there is no input",
                remedy=f"Add {uses}",
            )
        return None
    begun = [kind for kind in KINDS if named.keys() & {flag.setting for flag in kind.FLAGS}]
    if len(begun) != 1 or not named.keys() >= set(begun[0].NEEDS):
        raise UsageError(
            f"an input is either {' or '.join(kind.FLAGS_SAY[0] for kind in KINDS)}",
            remedy=f"Give {uses}",
        )
    if event is None and format_ is None:
        raise UsageError(
            "--event is missing",
            remedy="Name the event that the input carries: --event EVENT, or the format of its "
            "lines: --format NAME; `telemetry init FILE` recognizes it",
        )
    check_envelope(envelope, format_)
    values = {
        one.name: _of_flag(one, named[one.name])
        for one in DECLARED.settings_of(begun[0]())
        if one.name in named
    }
    source = begun[0](event=event or "", format=format_, envelope=envelope)
    return {begun[0].FLAGGED: replace(source, **values)}


def _of_flag(setting: Declaration, value: object) -> Any:
    try:
        return setting.type.read(list(value) if isinstance(value, tuple) else value)
    except ValueRefused as refusal:
        raise UsageError(str(refusal), where=f"the flag of {setting.name}") from None


def _endpoint(settings: Settings) -> Endpoint | None:
    port = settings.metrics.port
    return None if port is None else Endpoint(port, settings.metrics.address)


def _collector(settings: Settings) -> Collector | None:
    told = settings.otlp
    if told.endpoint is None:
        return None
    secret = told.authorization
    header = None if secret is None else partial(reveal, secret, "otlp.authorization")
    return Collector(told.endpoint, told.interval.total_seconds(), header)


def _permanent_key(keys: partial[Keystore], name: str) -> bytes:
    return keys().permanent_key(name)
