"""Checks of an audit that read what is stored: every value of every file, footers, logs, places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.io.contents import read_contents
from pipeline.io.parquet import TOKEN_COLUMNS, leaf_paths
from pipeline.io.rejections import KEPT_DAYS
from pipeline.io.stored_table import StoredTable
from pipeline.ops.audit import Audited, Check, Observation, not_applicable, unless
from pipeline.ops.canaries import search
from pipeline.ops.expire_plan import day_of
from pipeline.ops.scan import Finding, scan_rejections, scan_rows
from pipeline.privacy.epochs import epoch_of

DEVICE = ("client_family", "os_family", "device_class")
UNDECLARED = "(undeclared)"
ADDRESS = (
    r"(^|[^0-9.])[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}($|[^0-9./])"
    r"|[0-9A-Fa-f]{1,4}:([0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{1,4}($|[^0-9A-Fa-f:/])"
)
"""An IPv4 or IPv6 address that is not followed by the length of a network."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the lake, and for how many days its rows are kept."""

    name: str
    stored: StoredTable
    kept_days: int
    event: str | None
    """None for rejections."""


def tables_of(audited: Audited) -> Iterator[Table]:
    """Yield every table of the lake."""
    lake, days = audited.lake, audited.retention_days
    for event in lake.stored_events():
        yield Table(f"events/{event}", lake.stored(event), days, event)
    for event in lake.restricted_events():
        yield Table(f"restricted/{event}", lake.restricted(event), days, event)
    yield Table("rejections", lake.rejections(), KEPT_DAYS + 1, None)


def scan_everything(audited: Audited) -> tuple[Finding, ...]:
    """Compare every distinct stored text with what its column may hold."""
    found: list[Finding] = []
    for table in tables_of(audited):
        for file in table.stored.snapshot().files:
            rows = table.stored.storage.read(file.path)
            if table.event is None:
                topics = audited.topics
                scanned = scan_rejections(rows, sorted(audited.schemas), topics)
            elif table.event in audited.schemas:
                columns = audited.schemas[table.event][-1].columns
                scanned = scan_rows(table.name, rows, columns, audited.catalogue, audited.ceilings)
            else:
                found.append(Finding(table.name, UNDECLARED, "no schema declares this event", 0))
                continue
            found += scanned.findings
            found += _addresses(table.name, rows)
    return tuple(dict.fromkeys(found))


def _addresses(name: str, rows: pa.Table) -> Iterator[Finding]:
    for field, column in zip(rows.schema, rows.columns, strict=True):
        if pa.types.is_string(field.type):
            texts = pc.unique(column.drop_null())
            count = pc.sum(pc.match_substring_regex(texts, ADDRESS)).as_py()
            if count:
                yield Finding(name, field.name, "addresses", int(count))


def told(findings: Iterator[Finding]) -> list[str]:
    """Findings as evidence: table, column and how many values."""
    return [f"{one.table}: {one.column}: {one.problem} ({one.values})" for one in findings]


def _scanning(
    which: Callable[[Finding], bool], fine: str, otherwise: str
) -> Callable[[Audited], Observation]:
    def look(audited: Audited) -> Observation:
        found = told(one for one in audited.scanned(scan_everything) if which(one))
        return unless(found, fine, otherwise)

    return look


def _is_undeclared(one: Finding) -> bool:
    return one.column == UNDECLARED or "type" in one.problem


def _nothing_expired(audited: Audited) -> Observation:
    held = audited.holds.days(audited.now.date())
    late = []
    files = 0
    for table in tables_of(audited):
        oldest = audited.now.date() - timedelta(days=table.kept_days - 1)
        for found in table.stored.storage.files():
            files += 1
            day = day_of(found)
            if day is not None and day < oldest and day not in held:
                late.append(f"{table.name}/{found.path}")
    return unless(
        late,
        f"{files} files listed, none beyond its day",
        "files are listed whose day should be gone",
    )


def _no_orphans(audited: Audited) -> Observation:
    found = []
    for table in tables_of(audited):
        left = table.stored.leftovers()
        found += [f"{table.name}/{one.path}: no commit names it" for one in left.orphans]
        found += [f"{table.name}/{one.path}: not written by us" for one in left.foreign]
    return unless(found, "every listed file is named by a commit", "files that no commit names")


def _no_old_versions(audited: Audited) -> Observation:
    """Look for files that a commit removed: for an hour `leftovers` calls them young."""
    found = []
    for table in tables_of(audited):
        log = table.stored.log.load()
        if log is None:
            continue
        gone = set(log.vacuum(retention_hours=0, dry_run=True, enforce_retention_duration=False))
        there = {one.path for one in table.stored.storage.files()}
        prefix = f"{table.stored.log.uri}/"
        found += [
            f"{table.name}/{path}"
            for path in sorted({path.removeprefix(prefix) for path in gone} & there)
        ]
    return unless(found, "no removed file is still there", "files that commits removed are there")


def _no_token_statistics(audited: Audited) -> Observation:
    found, files = [], 0
    for table in tables_of(audited):
        log = table.stored.log.load()
        actions = [] if log is None else pa.table(log.get_add_actions(flatten=True)).column_names
        if any(name.startswith(("min.", "max.")) for name in actions):
            found.append(f"{table.name}: the log holds least and greatest values")
        for file in table.stored.snapshot().files:
            files += 1
            with table.stored.storage.open_part(file.path) as source:
                tokens = {p for p, name in leaf_paths(source.schema_arrow) if name in TOKEN_COLUMNS}
                meta = source.metadata
                for group in range(meta.num_row_groups):
                    for number in range(meta.num_columns):
                        column = meta.row_group(group).column(number)
                        stats = column.statistics
                        if column.path_in_schema in tokens and stats and stats.has_min_max:
                            found.append(f"{table.name}/{file.path}: {column.path_in_schema}")
    return unless(
        list(dict.fromkeys(found)),
        f"footers of {files} files and the logs hold no token",
        "statistics repeat tokens",
    )


def _restricted_rows_apart(audited: Audited) -> Observation:
    lake, found, rows = audited.lake, [], 0
    for event in lake.restricted_events():
        seen: dict[object, set[str]] = {}
        aside = lake.restricted(event)
        for file in aside.snapshot().files:
            subjects = aside.storage.read(file.path, ["subject"])["subject"].drop_null()
            rows += len(subjects)
            seen.setdefault(file.day, set()).update(pc.unique(subjects).to_pylist())
        events = lake.stored(event)
        for file in events.snapshot().files:
            if file.day in seen:
                column = events.storage.read(file.path, ["subject"])["subject"]
                mine = pa.array(sorted(seen[file.day]), pa.string())
                if pc.any(pc.is_in(pc.unique(column), value_set=mine)).as_py():
                    found.append(f"events/{event}/{file.path}")
    if not rows:
        return not_applicable("no rows are restricted")
    return unless(
        found, f"{rows} restricted rows, none in a view", "restricted accounts have rows in views"
    )


def _keys_of_ended_epochs(audited: Audited) -> Observation:
    keys = audited.keys()
    last = audited.now.date() - timedelta(days=audited.retention_days)
    held = list(audited.holds.days(audited.now.date()))
    live = {record.name for record in keys.epochs() if record.live}
    found = [
        f"epoch {record.name}: its key should be destroyed"
        for record in keys.epochs()
        if record.live
        and record.last_day < last
        and not any(day <= record.last_day for day in held)
    ]
    for table in tables_of(audited):
        if table.event is not None:
            days = table.stored.snapshot().by_day()
            names = {epoch_of(day, audited.epochs).name for day in days} - live
            found += [f"{table.name}: rows of epoch {name}, which has no key" for name in names]
    return unless(sorted(found), f"{len(live)} live keys, none too old", "keys and rows disagree")


def _dictionary_attack(audited: Audited) -> Observation:
    if not audited.canaries:
        return not_applicable("no identifiers were given to look for (--canaries FILE)")
    if not audited.lake.local:
        return not_applicable("an object store is not searched byte by byte")
    lake = audited.lake
    searched = search(read_contents(Path(lake.root), lake.encryption), audited.canaries)
    found = [f"identifier {one.canary} as {one.form} in {one.place}" for one in searched.leaks]
    detail = f"{len(audited.canaries)} identifiers and their hashes in {searched.files} files"
    return unless(found, f"{detail}: none found", "identifiers are stored")


STORED: Mapping[str, Check] = {
    check.name: check
    for check in (
        Check(
            "declared_columns",
            "stored bytes",
            "Every column of every file is declared, with its type.",
            _scanning(_is_undeclared, "no undeclared column", "undeclared columns are stored"),
        ),
        Check(
            "session_columns",
            "stored bytes",
            "Sessions have the declared columns and values alone.",
            _scanning(
                lambda one: one.table.endswith("/session"),
                "sessions hold only what is declared",
                "sessions hold something else",
            ),
        ),
        Check(
            "stored_values",
            "stored bytes",
            "Every text is of its closed list, or has its declared shape.",
            _scanning(
                lambda one: not _is_undeclared(one) and one.problem != "addresses",
                "every text is one that may be stored",
                "texts are stored that may not be",
            ),
        ),
        Check(
            "device_classes",
            "stored bytes",
            "Browser, system and device are from closed lists.",
            _scanning(
                lambda one: one.column in DEVICE,
                "only listed families and classes",
                "device texts outside of the lists",
            ),
        ),
        Check(
            "no_addresses",
            "stored bytes",
            "No text column holds an address; networks are no narrower than the settings say.",
            _scanning(
                lambda one: one.problem == "addresses" or one.column == "ip_prefix",
                "no address in any text",
                "addresses are stored",
            ),
        ),
        Check(
            "nothing_expired",
            "listing",
            "No file of a day beyond its retention is listed, whether a commit names it or not.",
            _nothing_expired,
        ),
        Check("no_orphans", "listing and log", "No file lies in the lake unnamed.", _no_orphans),
        Check(
            "no_old_versions",
            "listing and log",
            "Files that a rewrite replaced are gone.",
            _no_old_versions,
        ),
        Check(
            "no_token_statistics",
            "footers and log",
            "No statistics of a token column, in files or log.",
            _no_token_statistics,
        ),
        Check(
            "restricted_rows_apart",
            "stored bytes",
            "Restricted accounts have no rows where views read.",
            _restricted_rows_apart,
        ),
        Check(
            "keys_of_ended_epochs",
            "keys and log",
            "Keys of ended epochs are destroyed; every stored epoch has its key.",
            _keys_of_ended_epochs,
        ),
        Check(
            "dictionary_attack",
            "stored bytes",
            "Known identifiers, plain, encoded or hashed, are nowhere in the lake.",
            _dictionary_attack,
        ),
    )
}
