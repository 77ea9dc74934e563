"""Checks of an audit of settings, schemas, keys, folders, publications and deployment files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.events.model import OFFSET, SIZE, Drop, RawBatch, Span
from pipeline.events.schema import PURPOSES, EventSchema, FieldType
from pipeline.io.modes import names_in, open_to_others, texts_below
from pipeline.ops.audit import Audited, Check, Observation, kept, not_applicable, unless
from pipeline.ops.rollup_registry import TOKENS, Kind
from pipeline.ops.rollup_values import PUBLISHED
from pipeline.privacy.optout import SIGNALS, OptOutGate, OptOutState

IN_LAKE = {"events", "restricted", "rejections", "rollups"}
IN_STATE = {
    "keys",
    "optout.ndjson",
    "requests.ndjson",
    "receipts.ndjson",
    "holds.ndjson",
    "releases.ndjson",
    "expiry.json",
    "writers",
    "claims",
    "geo",
    "exports",
}
PROMISED_ACCOUNTS = 20
"""Published numbers of accounts are rounded to tens where there are two dimensions: 20 stays 20."""
FEWEST_DISTINCT = 16
"""32 random bytes have fewer distinct values than this once in 10^13 keys."""
ENCRYPTING = ("server_side_encryption", "sse", "kms", "encryption_key", "customer_key")
ALWAYS_ENCRYPTED = ("gs://", "gcs://", "az://", "azure://", "abfs://", "abfss://")
"""Addresses of Google's and Azure's stores; what answers to `s3://` may be anybody's."""
ENCRYPTED_PROTOCOLS = ("SSL", "SASL_SSL")


def _purposes_declared(audited: Audited) -> Observation:
    schemas = [schema for versions in audited.schemas.values() for schema in versions]
    fields = [(schema, field) for schema in schemas for field in schema.fields]
    found = [
        f"{schema.event} v{schema.version}: {field.name}"
        for schema, field in fields
        if field.purpose not in PURPOSES
    ]
    return unless(found, f"{len(fields)} fields, each with its purpose", "fields without purpose")


def _signals_drop(audited: Audited) -> Observation:
    """Send one signalled and one ordinary event of every kind through the gate."""
    gate = OptOutGate(bytes(32))
    found = []
    for event, versions in audited.schemas.items():
        for signal in SIGNALS:
            if not _drops(gate, versions[-1], signal):
                found.append(f"{event}: {signal}")
    count = len(audited.schemas) * len(SIGNALS)
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
    left = gate.drop(batch, OptOutState({}), 0)
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


def _known_places(audited: Audited) -> Observation:
    found = []
    if audited.lake.local:
        root = Path(audited.lake.root)
        found += [f"{root}/{name}" for name in names_in(root) if name not in IN_LAKE]
        inside = audited.state.resolve().is_relative_to(root.resolve())
        found += [f"{audited.state}: the state folder lies in the lake"] if inside else []
    listed = IN_STATE - {"keys"} if audited.keys_elsewhere else IN_STATE
    found += [
        f"{audited.state}/{name}"
        for name in names_in(audited.state)
        if name not in listed and not name.startswith(".")
    ]
    return unless(found, "nothing but the listed places", "something lies where nothing should")


def _state_private(audited: Audited) -> Observation:
    found = list(open_to_others(audited.state))
    return unless(found, "only its owner can look in", "others can look into the state folder")


def _keys_sound(audited: Audited) -> Observation:
    store = audited.keys()
    live = [record for record in store.epochs() if record.live]
    keys = {record.name: store.live_key(record.name) for record in live}
    keys |= {
        f"data-{record.name}": store.live_data_key(record.name)
        for record in live
        if record.encrypts
    }
    keys |= {name: store.permanent_key(name) for name in ("optout", "files")}
    found = [
        f"key {name}: weak, not random"
        for name, key in keys.items()
        if key is None or len(key) < 32 or len(set(key)) < FEWEST_DISTINCT
    ]
    owners: dict[bytes, str] = {}
    for name, key in keys.items():
        if key is not None and owners.setdefault(key, name) != name:
            found.append(f"key {name}: the same as {owners[key]}")
    return unless(found, f"{len(keys)} keys of 256 bits, all different", "keys are weak")


def _encrypted_at_rest(audited: Audited) -> Observation:
    if audited.lake.local:
        return not_applicable("there is no bucket: a local lake is encrypted by its disk")
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
    store = audited.lake.rollups()
    found: list[str] = []
    cells = 0
    for metric in store.published():
        declared = audited.registry.metrics.get(metric)
        if declared is None:
            found.append(f"{metric}: no metric of the registry")
            continue
        names = store.columns(metric)
        found += [f"{metric}: column {name}" for name in names if name not in PUBLISHED.names]
        rows = store.read(metric, PUBLISHED)
        cells += rows.num_rows
        if declared.kind is Kind.FACT:
            continue
        few = pc.sum(pc.fill_null(pc.less(rows["accounts"], PROMISED_ACCOUNTS), True)).as_py()
        if few:
            found.append(f"{metric}: {few} cells of fewer than {PROMISED_ACCOUNTS} accounts")
    if not cells and not found:
        return not_applicable("nothing is published yet")
    return unless(found, f"{cells} cells, each large enough", "publications passed no gate")


def _dashboards_read_aggregates(audited: Audited) -> Observation:
    if audited.deploy is None:
        return not_applicable("no folder of deployment files was given (--deploy FOLDER)")
    found, boards = [], 0
    for path, text in texts_below(audited.deploy, ".json"):
        try:
            board = json.loads(text)
        except ValueError:
            found.append(f"{path}: not JSON")
            continue
        if isinstance(board, dict) and "panels" in board:
            boards += 1
            if any(_reads_rows(said) for said in _texts(board)):
                found.append(f"{path}: reads rows of events")
    if not boards:
        return not_applicable("there is no dashboard in the folder")
    return unless(found, f"{boards} dashboards read publications and metrics", "rows on dashboards")


def _reads_rows(text: str) -> bool:
    return "event_date=" in text or "/events/" in text or bool(TOKENS & set(text.split()))


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
        return not_applicable("no folder of deployment files was given (--deploy FOLDER)")
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
            "known_places",
            "listing",
            "Lake and state folder hold nothing but the listed places.",
            _known_places,
        ),
        Check(
            "state_private",
            "modes",
            "Keys, lists and receipts can be read by their owner alone.",
            _state_private,
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
