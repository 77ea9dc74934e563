"""A table's log: every action of every entry, checkpoint and hint, key by key.

A log entry may say which files came and went, with their row counts and nothing else about their
content; how far each source has been read; and the account of its messages. Anything that is not
in the grammar below is a finding: statistics, tags, texts, words of another program.

The scan also collects which files the log ever named, so that the listing can be compared with it
without asking delta-rs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.events.model import NULL_REASONS, Drop, Reason
from pipeline.io import source_kinds as sources
from pipeline.io.delta.creation import PROPERTIES
from pipeline.io.delta.entry import DURABLE, LINES, MARK, METADATA_KEY
from pipeline.io.keys.installation import INSTALLATION, KEY, LIST_IDS
from pipeline.io.keys.keystore import PERMANENT
from pipeline.io.parquet.encryption import LABEL
from pipeline.ops.scan import closed_json as json_rules
from pipeline.ops.scan.closed_json import (
    Misfit,
    Rule,
    anything,
    day,
    document,
    either,
    exactly,
    flag,
    keyed,
    one_of,
    optional,
    record,
    sequence,
    text,
    whole,
)
from pipeline.ops.scan.column_values import declared_columns
from pipeline.ops.scan.findings import Finding

LOG = "log_closed"
JOBS = (
    "seal",
    "erase",
    "expire",
    "expire_rejections",
    "restrict",
    "release",
    "restricted",
    "adopt",
)
KINDS = ("part", "sealed", "final")
OPERATIONS = ("CREATE TABLE", "WRITE", "ADD COLUMN")
_OWN = ("restricted", INSTALLATION, *LIST_IDS, f"{KEY}(?:{LABEL}|{'|'.join(sorted(PERMANENT))})")
_UUID = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_ENGINE = r"delta-rs(?:[:.]py-|\.|:)?[0-9A-Za-z.:-]{1,24}"
_MAPS = frozenset({"partitionValues", "options", "configuration", "tags"})
_CHECKPOINT_COLUMNS = frozenset(
    {"txn", "add", "remove", "metaData", "protocol", "sidecar", "checkpointMetadata"}
    | {"domainMetadata", "commitInfo"}
)


@dataclass(frozen=True, slots=True)
class LogRules:
    """What one table's log may say."""

    entry: Rule
    """One action, as a JSON object."""
    hint: Rule


@dataclass(slots=True)
class Named:
    """Files that any entry of the log names."""

    added: dict[str, int] = field(default_factory=dict)
    """Path and row count."""
    removed: set[str] = field(default_factory=set)


def log_rules(
    name: str,
    partition: str,
    schemas: Sequence[pa.Schema],
    events: Iterable[str],
    fields: Iterable[str] = (),
) -> LogRules:
    """The grammar of the log of the table `name`, whose columns are those of one of `schemas`.

    `fields` are the raw fields for which commits may count values that became null.
    """
    known = sorted(events)
    source = _any_of([kind.positions for kind in sources.NAMES.values()])
    mark = _any_of([kind.marks for kind in sources.NAMES.values()])
    app = _any_of([source, f"{source}/rejections", f"{_any_of(known)}/{source}", *_OWN])
    part = rf"{partition}=\d{{4}}-\d\d-\d\d/(?:{'|'.join(KINDS)})-[0-9a-f]{{12}}-[0-9a-f]{{32}}"
    path = text(rf"{part}(?:\.{LABEL})?\.parquet")
    values = record({partition: day()})
    count = record({"numRecords": whole()})
    nothing = exactly(None)
    when = {"lastUpdated": optional(whole())}
    metadata = _metadata(name, partition, schemas)
    added = record(
        {
            "path": path,
            "partitionValues": values,
            "size": whole(),
            "modificationTime": whole(),
            "dataChange": exactly(True),
            "stats": document(count),
        },
        dict.fromkeys(
            ("tags", "baseRowId", "defaultRowCommitVersion", "clusteringProvider"), nothing
        )
        | {"deletionVector": nothing},
    )
    removed = record(
        {"path": path, "dataChange": exactly(True)},
        {
            "deletionTimestamp": whole(),
            "extendedFileMetadata": optional(flag()),
            "partitionValues": values,
            "size": whole(),
            "stats": optional(document(count)),
            **dict.fromkeys(
                ("tags", "deletionVector", "baseRowId", "defaultRowCommitVersion"), nothing
            ),
        },
    )
    actions: Mapping[str, Rule] = {
        "commitInfo": _commit_info(partition, metadata, _account(source, known, fields)),
        "protocol": record({"minReaderVersion": exactly(1), "minWriterVersion": exactly(2)}),
        "metaData": metadata,
        "add": added,
        "remove": removed,
        "txn": either(
            record({"appId": text(mark), "version": whole(-(2**63), 2**63 - 1)}, when),
            record({"appId": text(app), "version": whole()}, when),
        ),
    }
    hint = record(
        {"version": whole(), "size": whole()},
        {
            "parts": optional(whole()),
            "sizeInBytes": optional(whole()),
            "numOfAddFiles": optional(whole()),
            "checkpointSchema": nothing,
            "checksum": nothing,
        },
    )
    return LogRules(_one_action(actions), hint)


def _one_action(actions: Mapping[str, Rule]) -> Rule:
    def rule(value: object) -> Iterator[Misfit]:
        if not isinstance(value, dict) or len(value) != 1 or not set(value) <= set(actions):
            yield Misfit("", "not one of the actions of a log")
            return
        ((name, inner),) = value.items()
        for one in actions[name](inner):
            yield Misfit(f"{name}.{one.path}".rstrip("."), one.reason)

    return rule


def _commit_info(partition: str, metadata: Rule, account: Rule) -> Rule:
    parameters = {
        "mode": one_of(["Append", "ErrorIfExists"]),
        "partitionBy": exactly(f'["{partition}"]'),
        "protocol": document(
            record({"minReaderVersion": exactly(1), "minWriterVersion": exactly(2)})
        ),
        "metadata": document(metadata),
        "location": text(r"[ -~]{1,1024}"),
        "fields": document(sequence(anything)),
    }
    return record(
        {
            "timestamp": whole(),
            "operation": one_of(OPERATIONS),
            "engineInfo": text(_ENGINE),
        },
        {
            "operationParameters": record({}, parameters),
            "clientVersion": text(_ENGINE),
            "readVersion": whole(-1),
            "isBlindAppend": flag(),
            "operationMetrics": record({}, {}),
            METADATA_KEY: account,
        },
    )


def _account(source: str, events: Sequence[str], fields: Iterable[str]) -> Rule:
    """What commits say about themselves: the account of a slice, or what a job did."""
    # Version 0.1 wrote none of these.
    ours = {MARK: text("[0-9a-f]{16}"), LINES: whole(1), DURABLE: whole(-1)}
    where = {"app_id": text(source), "start": whole(), "stop": whole()}
    counts = {
        "read": whole(),
        "written": whole(),
        "rejected": keyed(one_of([one.value for one in Reason]), whole()),
        "dropped": keyed(one_of([one.value for one in Drop]), whole()),
        "files": whole(),
    }
    ids = dict.fromkeys(("topic_id", "topic_id_before"), text("[A-Za-z0-9_-]{22}|unknown"))
    decisions = {"accepted": one_of(["new", "same"]), **ids}
    reasons = [f"{field}.{reason}" for field in fields for reason in NULL_REASONS]
    nulled = keyed(one_of(reasons), whole())
    slice_ = record(
        {**where, **counts},
        {
            "nulled": nulled,
            "run": text("[0-9a-f]{32}"),
            "at_ms": whole(),
            "gap": whole(),
            **decisions,
            **ours,
        },
    )
    gap = record({**where, "gap": exactly(True)}, {"run": text("[0-9a-f]{32}"), **ours})
    rejections = record(
        {"app_id": text(source), "event": one_of(events), "rejections": whole()}, ours
    )
    job = record(
        {"job": one_of(JOBS)},
        {
            "kind": one_of(KINDS),
            "duplicates": whole(),
            "rows": whole(),
            "files": whole(),
            **ours,
        },
    )

    def rule(value: object) -> Iterator[Misfit]:
        if isinstance(value, dict):
            if "job" in value:
                return job(value)
            if "rejections" in value:
                return rejections(value)
            if "read" not in value and "gap" in value:
                return gap(value)
        return slice_(value)

    return rule


def _metadata(name: str, partition: str, schemas: Sequence[pa.Schema]) -> Rule:
    return record(
        {
            "id": text(_UUID),
            "name": exactly(name),
            "format": record({"provider": exactly("parquet"), "options": record({})}),
            "schemaString": document(declared_columns(schemas)),
            "partitionColumns": exactly([partition]),
            "createdTime": whole(),
            "configuration": record({}, {key: exactly(said) for key, said in PROPERTIES.items()}),
        },
        {"description": exactly(None)},
    )


def scan_entry(place: str, content: bytes, rules: LogRules, named: Named) -> Iterator[Finding]:
    """Compare one log entry, one action per line, and collect the files that it names."""
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line:
            continue
        parsed = json_rules.parse(line)
        if parsed is None:
            yield Finding((LOG,), f"{place}:{number}", "not a JSON document")
            continue
        misfits = list(rules.entry(parsed[0]))
        yield from (
            Finding((LOG,), f"{place}:{number}, {one.path}", one.reason)
            for one in dict.fromkeys(misfits)
        )
        if not misfits:
            _take(parsed[0], named)


def scan_hint(place: str, content: bytes, rules: LogRules) -> Iterator[Finding]:
    """Compare the hint to the last checkpoint."""
    for one in document(rules.hint)(content):
        yield Finding((LOG,), f"{place}, {one.path}", one.reason)


def scan_checkpoint(
    source: pa.NativeFile, place: str, rules: LogRules, named: Named
) -> Iterator[Finding]:
    """Compare a checkpoint's rows with the same grammar. Raises Arrow's errors."""
    file = pq.ParquetFile(source)
    keys = set(file.metadata.metadata or {}) - {b"ARROW:schema"}
    if keys:
        yield Finding((LOG,), place, "metadata of the file that is not declared", len(keys))
    if set(file.schema_arrow.names) - _CHECKPOINT_COLUMNS:
        yield Finding((LOG,), place, "columns that no checkpoint has")
    found: dict[tuple[str, str], int] = {}
    for batch in file.iter_batches(10_000, use_threads=False):
        for name in set(batch.schema.names) & _CHECKPOINT_COLUMNS:
            column = batch.column(batch.schema.get_field_index(name))
            for action in column.filter(pc.is_valid(column)).to_pylist():
                said = {name: _filled(action)}
                misfits = list(rules.entry(said))
                for one in misfits:
                    found[one.path, one.reason] = found.get((one.path, one.reason), 0) + 1
                if not misfits:
                    _take(said, named)
    yield from (
        Finding((LOG,), f"{place}, {path}", reason, count)
        for (path, reason), count in found.items()
    )


def _filled(value: object) -> object:
    """A checkpoint's action as an entry would write it: maps as objects, nulls left out."""
    if not isinstance(value, dict):
        return value
    return {
        key: dict(inner) if key in _MAPS else _filled(inner)
        for key, inner in value.items()
        if inner is not None
    }


def _take(action: object, named: Named) -> None:
    assert isinstance(action, dict)  # it fits the grammar
    if "add" in action:
        stats = json_rules.parse(action["add"]["stats"])
        assert stats is not None  # it fits the grammar
        named.added[action["add"]["path"]] = stats[0]["numRecords"]  # type: ignore[index]
    elif "remove" in action:
        named.removed.add(action["remove"]["path"])


def _any_of(patterns: Iterable[str]) -> str:
    return f"(?:{'|'.join(patterns) or '(?!)'})"
