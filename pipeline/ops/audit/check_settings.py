"""Audit checks of settings, schemas, keys, folders, publications and deployment files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pyarrow as pa

from pipeline.errors import counted
from pipeline.events.model import OFFSET, SIZE, Drop, RawBatch, Span
from pipeline.events.schema import SIGNAL_FIELDS, EventSchema, FieldType
from pipeline.io.folder_bytes import texts_below
from pipeline.io.keys.keystore import PERMANENT
from pipeline.io.package_data import load_promises
from pipeline.ops.audit.audit import (
    Audited,
    Check,
    Observation,
    kept,
    not_applicable,
    not_verified,
    unless,
)
from pipeline.ops.audit.whole_scan import scan_everything
from pipeline.parsing import parse_json
from pipeline.privacy.optout import OptOutGate, OptOutState

FEWEST_DISTINCT = 16
"""32 random bytes have fewer distinct values than this once in 10^13 keys."""
ENCRYPTING = ("server_side_encryption", "sse", "kms", "encryption_key", "customer_key")
ALWAYS_ENCRYPTED = ("gs://", "gcs://", "az://", "azure://", "abfs://", "abfss://")
"""Addresses of Google's and Azure's stores; anybody's store may answer to `s3://`."""
ENCRYPTED_PROTOCOLS = ("SSL", "SASL_SSL")


def _purposes_declared(audited: Audited) -> Observation:
    schemas = [schema for versions in audited.schemas.values() for schema in versions]
    fields = [(schema, field) for schema in schemas for field in schema.fields]
    promised = {promise.id for promise in load_promises()}
    found = [
        f"{schema.event} v{schema.version}: {field.name}"
        for schema, field in fields
        if field.purpose not in promised
    ]
    return unless(found, f"{len(fields)} fields, each with its purpose", "fields without purpose")


def _signals_drop(audited: Audited) -> Observation:
    """Send one signalled and one ordinary event of every kind through the gate."""
    gate = OptOutGate(bytes(32))
    found = []
    for event, versions in audited.schemas.items():
        for signal in SIGNAL_FIELDS:
            if not _drops(gate, versions[-1], signal):
                found.append(f"{event}: {signal}")
    count = len(audited.schemas) * len(SIGNAL_FIELDS)
    return unless(found, f"{count} signalled events dropped, the others kept", "signals pass")


def _drops(gate: OptOutGate, schema: EventSchema, signal: str) -> bool:
    field = next((field for field in schema.fields if field.name == signal), None)
    if field is None or field.type is not FieldType.SIGNAL or field.treatment.name != "drop":
        return False
    rows = pa.RecordBatch.from_pylist(
        [
            {
                signal: said,
                OFFSET: offset,
                SIZE: 1,
                schema.time_field: datetime(2026, 1, 1, tzinfo=UTC),
            }
            for offset, said in enumerate(("1", "0"))
        ],
        schema=schema.raw,
    )
    batch = RawBatch(Span("file", "audit", 0, 0, 2), schema.event, 2, rows)
    left = gate.drop(batch, OptOutState({}), 0, time_field=schema.time_field)
    return left.rows.num_rows == 1 and left.dropped == {Drop.SIGNAL: 1}


def _network_limits(audited: Audited) -> Observation:
    limits = audited.ceilings
    found = [
        text
        for text, beyond in (
            (f"privacy.ipv4_bits = {limits.ipv4_bits}", limits.ipv4_bits > 24),
            (f"privacy.ipv6_bits = {limits.ipv6_bits}", limits.ipv6_bits > 48),
        )
        if beyond
    ]
    detail = f"networks of {limits.ipv4_bits} and {limits.ipv6_bits} bits"
    return unless(found, detail, "settings keep more than a network")


def _keys_sound(audited: Audited) -> Observation:
    store = audited.keys()
    live = [record for record in store.epochs() if record.live]
    keys = {record.name: store.live_key(record.name) for record in live}
    keys |= {
        f"data-{record.name}": store.live_data_key(record.name)
        for record in live
        if record.encrypts
    }
    permanent = {name: store.live_permanent_key(name) for name in sorted(PERMANENT)}
    # A key that was never needed does not exist, and looking does not create it.
    keys |= {name: key for name, key in permanent.items() if key is not None}
    found = [
        f"key {name}: weak, not random"
        for name, key in keys.items()
        if key is None or len(key) < 32 or len(set(key)) < FEWEST_DISTINCT
    ]
    owners: dict[bytes, str] = {}
    for name, key in keys.items():
        if key is not None and owners.setdefault(key, name) != name:
            found.append(f"key {name}: the same as {owners[key]}")
    found += [str(one) for one in audited.scanned(scan_everything).of("keys_sound")]
    return unless(found, f"{counted(len(keys), 'key')} of 256 bits, all different", "keys are weak")


def _encrypted_at_rest(audited: Audited) -> Observation:
    if audited.lake.local:
        return not_verified("a local lake is encrypted by its disk, which nobody can see from here")
    if audited.lake.root.startswith(ALWAYS_ENCRYPTED):
        return kept("a store that encrypts every object with AES-256, and cannot be told not to")
    options = [name.lower() for name in audited.storage_options]
    named = any(word in name for name in options for word in ENCRYPTING)
    found = [] if named else ["lake.storage names no server-side encryption"]
    return unless(found, "the store is told to encrypt", "encryption is not asked for")


def _encrypted_in_transit(audited: Audited) -> Observation:
    if not audited.transports:
        return not_applicable("there is no Kafka source")
    found = [
        f"source {one.source}: {one.protocol}"
        for one in audited.transports
        if one.protocol not in ENCRYPTED_PROTOCOLS and not one.loopback
    ]
    detail = f"{len(audited.transports)} Kafka sources with TLS, or on this machine"
    return unless(found, detail, "raw events travel in the clear")


def _aggregates_gated(audited: Audited) -> Observation:
    found = [str(one) for one in audited.scanned(scan_everything).of("aggregates_gated")]
    if not found and not audited.lake.rollups().published():
        return not_applicable("nothing is published yet")
    return unless(found, "every published cell is large enough", "publications passed no gate")


def _dashboards_read_aggregates(audited: Audited) -> Observation:
    if audited.deploy is None:
        why = "no folder of deployment files was given (--deploy FOLDER)"
        return not_verified(why) if audited.site is None else not_applicable(why)
    found, boards = [], 0
    for path, text in texts_below(audited.deploy, ".json"):
        try:
            board = parse_json(text)
        except ValueError:
            found.append(f"{path}: not JSON")
            continue
        if isinstance(board, dict) and "panels" in board:
            boards += 1
            if any(_reads_rows(said, audited.registry.withheld) for said in _texts(board)):
                found.append(f"{path}: reads rows of events")
    if not boards:
        return not_applicable("there is no dashboard in the folder")
    return unless(found, f"{boards} dashboards read publications and metrics", "rows on dashboards")


def _reads_rows(text: str, withheld: frozenset[str]) -> bool:
    return "event_date=" in text or "/events/" in text or bool(withheld & set(text.split()))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _raw_topics_short(audited: Audited) -> Observation:
    if audited.deploy is None:
        why = "no folder of deployment files was given (--deploy FOLDER)"
        return not_verified(why) if audited.transports else not_applicable(why)
    scripts = [
        (path, text)
        for path, text in texts_below(audited.deploy, ".sh")
        if "--create" in text and "telemetry." in text
    ]
    if not scripts:
        return not_applicable("no script in the folder creates topics")
    found = [
        f"{path}: raw topics without {wanted}"
        for path, text in scripts
        for wanted in ("retention.ms=86400000", "cleanup.policy=delete")
        if wanted not in text
    ]
    return unless(found, "raw topics keep a day", "raw topics keep events too long")


SETTINGS: Mapping[str, Check] = {
    check.name: check
    for check in (
        Check(
            "purposes_declared",
            "schemas",
            "Every field names the promise that it serves.",
            _purposes_declared,
        ),
        Check(
            "signals_drop",
            "schemas, by trial",
            "An event with gpc or dnt of 1 is dropped, of every kind.",
            _signals_drop,
        ),
        Check(
            "network_limits",
            "settings",
            "Networks are at most 24 and 48 bits.",
            _network_limits,
        ),
        Check(
            "keys_sound",
            "keys",
            "Every key is there, protected, random and used for one epoch.",
            _keys_sound,
        ),
        Check(
            "encrypted_at_rest",
            "settings",
            "The bucket is told to encrypt.",
            _encrypted_at_rest,
        ),
        Check(
            "encrypted_in_transit",
            "settings",
            "Raw events come over TLS, or do not leave the machine.",
            _encrypted_in_transit,
        ),
        Check(
            "aggregates_gated",
            "publications",
            "Every published cell is of enough accounts, and of a metric of the registry.",
            _aggregates_gated,
        ),
        Check(
            "dashboards_read_aggregates",
            "deployment files",
            "No dashboard reads rows of events.",
            _dashboards_read_aggregates,
        ),
        Check(
            "raw_topics_short",
            "deployment files",
            "Topics of raw events keep a day.",
            _raw_topics_short,
        ),
    )
}
