"""From settings to the things that commands use: schemas, keys, lake, lists.

Functions import what they open, so that a command pays only for what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.options import now_utc
from pipeline.errors import KeyUnavailable, UsageError
from pipeline.settings import Secret, Settings
from pipeline.settings.secrets import reveal

if TYPE_CHECKING:
    from pipeline.events.catalogue import Catalogue
    from pipeline.events.schema import EventSchema
    from pipeline.io.encryption import Encryption
    from pipeline.io.geo import CountryDatabase
    from pipeline.io.keystore import Keystore
    from pipeline.io.lake import Lake
    from pipeline.privacy.policy import Policy


def open_schemas(settings: Settings) -> Mapping[str, tuple[EventSchema, ...]]:
    """Every event's schemas, ascending versions."""
    from pipeline.io.resources import load_schemas

    return load_schemas(settings.schemas.directory)


def newest_schema(settings: Settings, event: str) -> EventSchema:
    """The newest schema of one event; UsageError that lists the events if there is none."""
    schemas = open_schemas(settings)
    if event not in schemas:
        raise UsageError(
            "there is no schema of this event", remedy=f"Use one of {', '.join(sorted(schemas))}"
        )
    return schemas[event][-1]


def open_catalogue(settings: Settings) -> Catalogue:
    """The closed lists."""
    from pipeline.io.resources import load_catalogue

    return load_catalogue(settings.catalogue.directory)


def open_keystore(settings: Settings, now: Callable[[], datetime]) -> Keystore:
    """The keys, in the state folder or a secret manager; made if this is their first use."""
    return keys_opener(settings, now)()


def keys_opener(settings: Settings, now: Callable[[], datetime]) -> partial[Keystore]:
    """What opens the keys, also in another process."""
    from pipeline.io.keystores import open_keys

    return partial(
        open_keys,
        open_state(settings) / "keys",
        settings.state.keys,
        now=now,
        retention_days=settings.privacy.retention_days,
    )


def has_keys(settings: Settings) -> bool:
    """Whether there may be keys: looking for some in a new state folder makes nothing."""
    state = settings.state.path
    return state is not None and (settings.state.keys is not None or (state / "keys").exists())


def open_state(settings: Settings) -> Path:
    """The state folder, made for this user alone if it is not there yet."""
    from pipeline.io.faults import state_faults
    from pipeline.io.locks import make_private_folder

    state = settings.need_state()
    with state_faults("The state folder could not be made", str(state)):
        make_private_folder(state)
    return state


def open_lake(settings: Settings, now: Callable[[], datetime] = now_utc) -> Lake:
    """The lake; nothing is created by opening it. `now` counts where files are written."""
    return lake_at(
        settings.need_lake(),
        dict(settings.lake.storage),
        settings.state.path,
        encryption_of(settings, now),
    )


def encryption_of(settings: Settings, now: Callable[[], datetime]) -> Encryption:
    """How the lake's files are opened, and whether new ones are encrypted; picklable."""
    from pipeline.io.encryption import Encryption
    from pipeline.privacy.epochs import EpochKind

    state, privacy = settings.state.path, settings.privacy
    kind = None if settings.lake.encryption == "off" else EpochKind(privacy.epoch)
    if state is None:
        return Encryption(None, kind)
    keys = partial(_keys_there, state, settings.state.keys, now, privacy.retention_days)
    return Encryption(keys, kind)


def _keys_there(
    state: Path, reference: str | None, now: Callable[[], datetime], retention_days: int
) -> Keystore:
    """Open the keys of an installation that has some: reading a lake makes none."""
    from pipeline.io.keystores import open_keys

    if reference is None and not (state / "keys").exists():
        raise KeyUnavailable(
            "Files of this lake are encrypted, and this state folder has no keys",
            where=str(state),
            remedy="Pass the --state of the pipeline that writes the lake.",
        )
    return open_keys(state / "keys", reference, now=now, retention_days=retention_days)


def lake_at(
    root: str,
    storage: Mapping[str, str | Secret],
    state: Path | None,
    encryption: Encryption | None = None,
) -> Lake:
    """The lake at a path or URL; secrets of the object store client are revealed here."""
    from pipeline.io.encryption import PLAIN
    from pipeline.io.lake import Lake

    options = {
        name: reveal(value, f"lake.storage.{name}") if isinstance(value, Secret) else value
        for name, value in storage.items()
    }
    return Lake(root, options, state=state, encryption=encryption or PLAIN)


def country_path(settings: Settings) -> Path | None:
    """The country database: the one set, else the imported one, else None for the packaged."""
    from pipeline.io.geo import installed_database

    return settings.geo.database or installed_database(settings.state.path)


def open_country(settings: Settings) -> CountryDatabase:
    """The country database in use."""
    from pipeline.io.geo import CountryDatabase

    return CountryDatabase(country_path(settings))


def make_policy(settings: Settings, *, backfill: bool = False) -> Policy:
    """What anonymization may keep; `backfill` admits events up to the retention minus a day."""
    from pipeline.privacy.epochs import EpochKind
    from pipeline.privacy.policy import Policy

    privacy = settings.privacy
    return Policy(
        ipv4_bits=privacy.ipv4_bits,
        ipv6_bits=privacy.ipv6_bits,
        trusted_proxies=privacy.trusted_proxies,
        public_ranges=privacy.public_ranges,
        max_age_days=privacy.retention_days - 1 if backfill else privacy.max_age_days,
        epoch_kind=EpochKind(privacy.epoch),
    )
