"""From settings to the things that commands use: schemas, keys, lake, lists.

Functions import what they open, so that a command pays only for what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.frame.nearest import did_you_mean
from pipeline.cli.frame.options import Invocation, now_utc
from pipeline.cli.wiring.state import open_state
from pipeline.errors import EnvironmentProblem, KeyUnavailable, UsageError
from pipeline.io.state_folder import StateFolder
from pipeline.settings import Secret, Settings, SourceSettings
from pipeline.settings.secrets import reveal

if TYPE_CHECKING:
    from pipeline.events.catalogue import Catalogue
    from pipeline.events.schema import EventSchema
    from pipeline.io.geo import CountryDatabase
    from pipeline.io.keys.installation import Installation
    from pipeline.io.keys.keystore import Keystore
    from pipeline.io.lake.lake import Lake
    from pipeline.io.parquet.encryption import Encryption
    from pipeline.io.source_kind import SourceKind
    from pipeline.ops.scan.column_values import Ceilings
    from pipeline.privacy.identity.epochs import EpochKind
    from pipeline.privacy.policy import Policy


def open_schemas(settings: Settings) -> Mapping[str, tuple[EventSchema, ...]]:
    """Every event's schemas, ascending versions."""
    from pipeline.io.package_data import load_schemas

    return load_schemas(settings.schemas.directory, open_catalogue(settings))


def newest_schema(schemas: Mapping[str, tuple[EventSchema, ...]], event: str) -> EventSchema:
    """The newest schema of one event; UsageError that lists the events if there is none."""
    if event not in schemas:
        raise UsageError("there is no schema of this event", remedy=one_of(event, schemas))
    return schemas[event][-1]


def event_of(source: SourceSettings, schemas: Mapping[str, tuple[EventSchema, ...]]) -> str:
    """The event that a source carries: as it says, or as its format says."""
    if source.event or source.format is None:
        return source.event
    from pipeline.io.package_data import load_format

    return load_format(source.format, schemas).event


def kinds_of(settings: Settings) -> Iterator[tuple[str, SourceKind]]:
    """The sources of the settings by name, in this order, each as the kind that it is."""
    from pipeline.io.source_kind import SourceKind

    for name, source in sorted(settings.sources.items()):
        assert isinstance(source, SourceKind)
        yield name, source


def one_of(event: str, schemas: Iterable[str]) -> str:
    """Say which events there are, and which one was probably meant."""
    listed = f"Use one of {', '.join(sorted(schemas))}"
    return f"{did_you_mean(event, schemas)} {listed}".strip()


def no_lake(lake: Lake) -> EnvironmentProblem:
    """Return what to raise where a lake is needed but nothing was ever committed to this one."""
    return EnvironmentProblem(
        "there is no lake here",
        where=lake.root,
        remedy="Check --lake; telemetry run makes the lake with its first commit",
    )


def require_lake(lake: Lake) -> None:
    """Raise EnvironmentProblem where a lake on a disk was never begun."""
    if lake.local and not Path(lake.root).is_dir():
        raise no_lake(lake)


def warn_if_empty(call: Invocation) -> None:
    """Say that the lake holds no event at all: its path may be mistyped."""
    lake = open_lake(call.settings)
    if not lake.stored_events():
        call.out.warn(f"no event was ever stored in this lake: {lake.root}")


def open_catalogue(settings: Settings) -> Catalogue:
    """The closed lists."""
    from pipeline.io.package_data import load_catalogue

    return load_catalogue(settings.catalogue.directory)


def open_ceilings(settings: Settings) -> Ceilings:
    """Most bits of a network that rows may hold, as the schemas declare and the settings say."""
    from pipeline.ops.scan.column_values import Ceilings
    from pipeline.privacy.treatments.addresses import widest_networks

    newest = [versions[-1] for versions in open_schemas(settings).values()]
    return Ceilings(*widest_networks(newest, make_policy(settings)))


def open_keystore(settings: Settings, now: Callable[[], datetime]) -> Keystore:
    """The keys, in the state folder or a secret manager; made if this is their first use."""
    return keys_opener(settings, now)()


def keys_opener(
    settings: Settings, now: Callable[[], datetime], *, existing: bool = False
) -> partial[Keystore]:
    """What opens the keys, also in another process; with `existing` it makes no new keystore."""
    state = settings.need_state() if existing else open_state(settings)
    days = settings.privacy.retention_days
    return partial(_open_keys, state, settings.state.keys, now, days, existing)


def has_keys(settings: Settings) -> bool:
    """Whether there may be keys: looking for some in a new state folder makes nothing."""
    state = settings.state.path
    return state is not None and (
        settings.state.keys is not None or StateFolder(state).keys.exists()
    )


def existing_keys(settings: Settings, now: Callable[[], datetime]) -> Keystore | None:
    """The keys, if there are any: looking for some in a new state folder makes nothing."""
    return keys_opener(settings, now, existing=True)() if has_keys(settings) else None


def open_lake(
    settings: Settings,
    now: Callable[[], datetime] = now_utc,
    *,
    repairs: bool = True,
    holds: bool = False,
) -> Lake:
    """The lake; nothing is created by opening it. `now` counts where files are written.

    Commands that change nothing pass `repairs=False`: a torn log is left as it is, and refused.
    With `holds` every table is loaded once.
    """
    return lake_at(
        settings.need_lake(),
        dict(settings.lake.storage),
        settings.state.path,
        encryption_of(settings, now),
        installation_of(settings, now),
        repairs=repairs,
        holds=holds,
    )


def installation_of(settings: Settings, now: Callable[[], datetime]) -> Installation | None:
    """Whose keys the lake's rows are written with; None without a state folder. Picklable."""
    from pipeline.io.keys.installation import Installation, generations, no_lists

    if settings.state.path is None:
        return None
    # Keys in a secret manager: several machines have a state folder, one of them with the lists.
    local = settings.state.keys is None
    return Installation(
        partial(existing_keys, settings, now),
        epochs_of(settings),
        partial(generations, settings.state.path) if local else no_lists,
    )


def encryption_of(settings: Settings, now: Callable[[], datetime]) -> Encryption:
    """How the lake's files are opened, and whether new ones are encrypted; picklable."""
    from pipeline.io.parquet.encryption import Encryption

    kind = None if settings.lake.encryption == "off" else epochs_of(settings)
    if settings.state.path is None:
        return Encryption(None, kind)
    return Encryption(keys_opener(settings, now, existing=True), kind)


def _open_keys(
    state: Path,
    reference: str | None,
    now: Callable[[], datetime],
    retention_days: int,
    existing: bool,
) -> Keystore:
    from pipeline.io.keystores import open_keys

    folder = StateFolder(state).keys
    if existing and reference is None and not folder.exists():
        raise KeyUnavailable(
            "Files of this lake are encrypted, and this state folder has no keys",
            where=str(state),
            remedy="Pass the --state of the pipeline that writes the lake.",
        )
    return open_keys(folder, reference, now=now, retention_days=retention_days)


def lake_at(
    root: str,
    storage: Mapping[str, str | Secret],
    state: Path | None,
    encryption: Encryption | None = None,
    installation: Installation | None = None,
    *,
    repairs: bool = True,
    holds: bool = False,
) -> Lake:
    """The lake at a path or URL; secrets of the object store client are revealed here."""
    from pipeline.io.lake.lake import Lake
    from pipeline.io.parquet.encryption import PLAIN

    # Ten tries, of random length, may take two seconds or twenty; what ends them is the
    # client's own limit of three minutes.
    options = {"max_retries": "1000"} if "://" in root else {}
    options |= {
        name: reveal(value, f"lake.storage.{name}") if isinstance(value, Secret) else value
        for name, value in storage.items()
    }
    return Lake(
        root,
        options,
        state=state,
        encryption=encryption or PLAIN,
        installation=installation,
        repairs=repairs,
        holds=holds,
    )


def country_path(settings: Settings) -> Path | None:
    """The country database: the one set, else the imported one, else None for the packaged."""
    from pipeline.io.geo import installed_database

    return settings.geo.database or installed_database(settings.state.path)


def open_country(settings: Settings) -> CountryDatabase:
    """The country database in use."""
    return country_opener(settings)()


def country_opener(settings: Settings) -> partial[CountryDatabase]:
    """What opens the country database in use, also in another process."""
    from pipeline.io.geo import CountryDatabase

    return partial(CountryDatabase, country_path(settings))


def epochs_of(settings: Settings) -> EpochKind:
    """How long a key is used."""
    from pipeline.privacy.identity.epochs import EpochKind

    return EpochKind(settings.privacy.epoch)


def make_policy(settings: Settings, *, backfill: bool = False) -> Policy:
    """What anonymization may keep; `backfill` admits events up to the retention minus a day."""
    from pipeline.privacy.policy import Policy

    privacy = settings.privacy
    return Policy(
        ipv4_bits=privacy.ipv4_bits,
        ipv6_bits=privacy.ipv6_bits,
        trusted_proxies=privacy.trusted_proxies,
        public_ranges=privacy.public_ranges,
        max_age_days=privacy.retention_days - 1 if backfill else privacy.max_age_days,
        epoch_kind=epochs_of(settings),
    )
