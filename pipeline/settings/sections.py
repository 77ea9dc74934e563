"""The settings themselves, each declared once with its default, its limits and its help.

`docs/configuration.md` is generated from these declarations.
"""

# `setting` returns a dataclass field, which is what a default may be.
# ruff: noqa: RUF009

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from pipeline.errors import SettingsError
from pipeline.settings.connections import (
    KafkaSettings,
    LineageSettings,
    OtlpSettings,
    RegistrySettings,
)
from pipeline.settings.source import SourceSettings
from pipeline.settings.table import Table
from pipeline.settings.values import (
    KEY_REFERENCE,
    Secret,
    among,
    choice,
    duration,
    labels,
    networks,
    path,
    setting,
    size,
    storage,
    text,
    tiles,
    whole,
)

STORES = ("s3", "s3a", "gs", "az", "abfs", "abfss", "adl", "azure")
"""Schemes that the lake's object store client opens."""

_NOTHING: Mapping[str, str | Secret] = Table({})
_NO_TILES: Mapping[str, tuple[str, ...]] = Table({})
_NO_LABELS: Mapping[str, Mapping[str, str]] = Table({})


@dataclass(frozen=True, slots=True)
class LakeSettings:
    """Where the tables are."""

    path: str | None = setting(
        None, text, "Folder or object store URL of the lake. Flag `--lake`, `TELEMETRY_LAKE`."
    )
    storage: Mapping[str, str | Secret] = setting(
        _NOTHING, storage, "Options of the object store client, passed on as they are."
    )
    encryption: str = setting(
        "off",
        choice("off", "epoch"),
        "Whether new files of events are encrypted by Parquet itself, with a data key for each "
        "epoch. Files that are there already are read either way.",
    )


@dataclass(frozen=True, slots=True)
class StateSettings:
    """Where keys, the opt-out list, requests and receipts are: never inside the lake."""

    path: Path | None = setting(
        None, path, "Private folder of this installation. Flag `--state`, `TELEMETRY_STATE`."
    )
    keys: str | None = setting(None, KEY_REFERENCE, "Default: `keys/` in the folder.")


@dataclass(frozen=True, slots=True)
class PrivacySettings:
    """What may be stored. Limits are those of the privacy rules and cannot be crossed."""

    ipv4_bits: int | None = setting(
        None,
        whole(0, 24),
        "Bits of an IPv4 network that are stored; 0: none. Default: as the schema declares, 16.",
    )
    ipv6_bits: int | None = setting(
        None,
        whole(0, 48),
        "Bits of an IPv6 network that are stored; 0: none. Default: as the schema declares, 32.",
    )
    trusted_proxies: tuple[str, ...] = setting(
        (), networks, "Our own proxies: behind these, `forwarded_for` is read."
    )
    public_ranges: tuple[str, ...] = setting(
        (),
        among(networks, "198.18.0.0/15", "2001:db8::/32"),
        "Reserved ranges to treat as public. For the demo only.",
    )
    epoch: str = setting(
        "4weeks", choice("day", "week", "4weeks"), "How long one pseudonym key is used."
    )
    max_age_days: int = setting(
        7, whole(1, 88), "Older events are rejected as `too_old`, unless `--backfill` is given."
    )
    retention_days: int = setting(90, whole(2, 90), "Days until an event must be gone.")
    optout_stale_after: timedelta = setting(
        timedelta(minutes=15), duration("1m", "15m"), "Older opt-out state stops the pipeline."
    )


@dataclass(frozen=True, slots=True)
class FlushSettings:
    """How much is written in one commit."""

    interval: timedelta = setting(
        timedelta(seconds=15),
        duration("100ms", "10m"),
        "A commit at least this often while events arrive. Flag `--flush-interval`.",
    )
    bytes: int = setting(64 * 2**20, size("1MiB", "256MiB"), "Most raw bytes in one commit.")


@dataclass(frozen=True, slots=True)
class GeoSettings:
    """Which country database is used."""

    database: Path | None = setting(
        None, path, "Country MMDB. Default: the imported one, else the packaged demo database."
    )


@dataclass(frozen=True, slots=True)
class CatalogueSettings:
    """Closed lists of your own."""

    directory: Path | None = setting(None, path, "Folder of catalogue files. Default: packaged.")


@dataclass(frozen=True, slots=True)
class SchemaSettings:
    """Event schemas of your own."""

    directory: Path | None = setting(
        None, path, "Folder of `<event>/v<N>.yaml`. Default: packaged."
    )


@dataclass(frozen=True, slots=True)
class IcebergSettings:
    """The sealed files as tables of Apache Iceberg (`telemetry iceberg sync`)."""

    folder: Path | None = setting(
        None,
        path,
        "Folder of the catalog and its metadata, outside the lake and the state. Needs the extra "
        "`iceberg`. Default: none.",
    )


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """The Prometheus endpoints, one for each process."""

    port: int | None = setting(
        None,
        whole(1, 65_535),
        "Port of `telemetry run`, usually 9108; worker 0 has the next one, and so on. On another "
        "runner each worker process takes the first free one of 16. Default: no endpoint.",
    )
    address: str = setting("127.0.0.1", text, "Address of this machine that they listen on.")


@dataclass(frozen=True, slots=True)
class DashboardSettings:
    """What the page is called, and what is marked on it."""

    title: str = setting("Usage", text, "Title of the page.")
    annotations: Path | None = setting(
        None,
        path,
        "TOML file of releases and incidents that the charts mark. Flag `--annotations`.",
    )
    labels: Mapping[str, Mapping[str, str]] = setting(
        _NO_LABELS,
        labels,
        "What keys of a dimension are called: `[dashboard.labels.feature]`, a line for each key.",
    )
    tiles: Mapping[str, tuple[str, ...]] = setting(
        _NO_TILES,
        tiles,
        'Metrics of your own to show, by page: `[dashboard.tiles]`, `overview = ["NAME"]`.',
    )


def _no_sources() -> Mapping[str, SourceSettings]:
    return Table({})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, after the checks."""

    lake: LakeSettings = LakeSettings()
    state: StateSettings = StateSettings()
    privacy: PrivacySettings = PrivacySettings()
    flush: FlushSettings = FlushSettings()
    geo: GeoSettings = GeoSettings()
    catalogue: CatalogueSettings = CatalogueSettings()
    schemas: SchemaSettings = SchemaSettings()
    iceberg: IcebergSettings = IcebergSettings()
    metrics: MetricsSettings = MetricsSettings()
    dashboard: DashboardSettings = DashboardSettings()
    otlp: OtlpSettings = OtlpSettings()
    lineage: LineageSettings = LineageSettings()
    kafka: KafkaSettings = KafkaSettings()
    registry: RegistrySettings = RegistrySettings()
    sources: Mapping[str, SourceSettings] = field(default_factory=_no_sources)

    def need_lake(self) -> str:
        """The lake's path or URL; SettingsError if there is none, or no store has its scheme."""
        if self.lake.path is None:
            raise SettingsError(
                "no lake is set",
                where="lake.path",
                remedy="Pass --lake PATH, set TELEMETRY_LAKE, or write [lake] path = ... in "
                "telemetry.toml",
            )
        scheme, has_scheme, _ = self.lake.path.partition("://")
        if has_scheme and scheme not in STORES:
            near = difflib.get_close_matches(scheme.lower(), STORES, n=1, cutoff=0.5)
            raise SettingsError(
                f"the lake's address is invalid: expected a folder, {'://, '.join(STORES)}://",
                where="lake.path",
                remedy=f"Did you mean {near[0]}://?" if near else "A folder has no :// in it",
            )
        return self.lake.path

    def need_state(self) -> Path:
        """The state folder; SettingsError with the ways to set it if there is none."""
        if self.state.path is None:
            raise SettingsError(
                "no state folder is set",
                where="state.path",
                remedy="Pass --state PATH, set TELEMETRY_STATE, or write [state] path = ... in "
                "telemetry.toml",
            )
        return self.state.path
