"""What the scan compares everything with: the declarations, and whose rows must be gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from pipeline.events.catalogue import Catalogue
from pipeline.events.schema import EVENT_TOKEN, EventSchema
from pipeline.io.lake.event_table import EVENT_DATE
from pipeline.io.lake.rejection_table import INGEST_DATE, STORED
from pipeline.io.parquet.encoding import BLOOM_COLUMN, PartKind, token_columns
from pipeline.ops.rights.erasure import Subjects
from pipeline.ops.rollup.registry import Registry
from pipeline.ops.scan.column_values import (
    Ceilings,
    event_columns,
    rejection_columns,
    version_columns,
)
from pipeline.ops.scan.log_scan import LogRules, log_rules
from pipeline.ops.scan.parquet_scan import VALUES, Layout
from pipeline.ops.scan.places import Known
from pipeline.privacy.identity.epochs import EpochKind

REJECTIONS = "rejections"
DEVICE = ("client_family", "os_family", "device_class")
SESSIONS = "session"


@dataclass(frozen=True, slots=True)
class Declared:
    """Everything that says what may be stored."""

    schemas: Mapping[str, tuple[EventSchema, ...]]
    catalogue: Catalogue
    registry: Registry
    ceilings: Ceilings
    epochs: EpochKind
    topics: Sequence[str] = ()
    retention_days: int = 90

    @property
    def known(self) -> Known:
        """The names that occur in paths."""
        return Known(self.schemas, self.registry.metrics)

    def log_rules(self, table: str) -> LogRules:
        """What the log of a table may say; `table` is its path in the lake."""
        if table == REJECTIONS:
            return log_rules(REJECTIONS, INGEST_DATE, [STORED], self.schemas)
        event = table.partition("/")[2]
        versions = self.schemas[event]
        fields = {field.name for version in versions for field in version.fields}
        stored = [version.stored for version in versions]
        return log_rules(event, EVENT_DATE, stored, self.schemas, fields)

    def layouts(self, table: str) -> Mapping[PartKind, Layout]:
        """What each kind of file of a table may be."""
        if table == REJECTIONS:
            values = rejection_columns(self.schemas, self.topics)
            schemas = [_without(STORED, INGEST_DATE)]
            one = Layout(schemas, values, lambda _: (VALUES,), tokens=frozenset())
            return dict.fromkeys(PartKind, one)
        event = table.partition("/")[2]
        versions = self.schemas[event]
        schemas = [_without(version.stored, EVENT_DATE) for version in versions]
        tokens = frozenset[str]().union(*(token_columns(one) for one in schemas))
        values = event_columns(versions, self.catalogue, self.ceilings)
        by_version = version_columns(versions, self.catalogue, self.ceilings)
        return {
            kind: Layout(
                schemas,
                values,
                lambda column: _checks_of(event, column),
                tokens,
                filters=frozenset() if kind is PartKind.STREAM else frozenset({BLOOM_COLUMN}),
                empty=frozenset({EVENT_TOKEN}) if kind is PartKind.FINAL else frozenset(),
                versions=by_version,
            )
            for kind in PartKind
        }


@dataclass(frozen=True, slots=True)
class Sought:
    """Whose rows must be nowhere, and which check says so."""

    check: str
    tables: tuple[str, ...]
    """First parts of paths: `events`, `restricted`."""
    subjects: Subjects = field(repr=False)
    reason: str


def _without(schema: pa.Schema, partition: str) -> pa.Schema:
    return pa.schema([one for one in schema if one.name != partition])


def _checks_of(event: str, column: str) -> tuple[str, ...]:
    checks = [VALUES]
    if event == SESSIONS:
        checks.append("session_columns")
    if column in DEVICE:
        checks.append("device_classes")
    if column == "ip_prefix":
        checks.append("no_addresses")
    return tuple(checks)
