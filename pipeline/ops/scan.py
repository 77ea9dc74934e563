"""The output scanner: is every stored value one of the few things that may be stored?

A text must be a value of its column's closed list, or have its column's declared shape (a token,
a fingerprint, a network within the ceiling, a country, a `major.minor` version). Whatever else
stands in a column is a finding, and so is a column that no schema declares. A finding names
table, column and kind; it never repeats the value.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.events.catalogue import Catalogue
from pipeline.events.model import Reason, Stage
from pipeline.events.schema import Column

Check = Callable[[pa.Array], int]
"""How many of the distinct texts of a column are not what the column may hold."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Most bits of a stored network: what the settings say, at most 24 and 48."""

    ipv4_bits: int = 24
    ipv6_bits: int = 48


@dataclass(frozen=True, slots=True)
class Finding:
    """Something stored that may not be."""

    table: str
    column: str
    problem: str
    values: int
    """How many distinct values; 0 where the column itself is the problem."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """What one scan looked at."""

    rows: int
    texts: int
    """Distinct texts that were compared."""
    findings: tuple[Finding, ...]

    def __add__(self, other: Scanned) -> Scanned:
        return Scanned(
            self.rows + other.rows, self.texts + other.texts, self.findings + other.findings
        )


NOTHING = Scanned(0, 0, ())

_SHAPES = {
    "token": r"^[0-9a-f]{32}$",
    "fingerprint": r"^[0-9a-f]{16}$",
    "country": r"^[A-Z]{2}$",
    "minor_version": r"^[0-9]{1,5}\.[0-9]{1,5}$",
}


def _unlike(pattern: str) -> Check:
    def check(texts: pa.Array) -> int:
        matching = pc.sum(pc.match_substring_regex(texts, pattern)).as_py() or 0
        # RE2's `$` stands at the very end of a text only without the multi-line flag, as here.
        return len(texts) - int(matching)

    return check


def _outside(allowed: Sequence[str]) -> Check:
    values = pa.array(sorted(allowed), pa.string())
    return lambda texts: len(texts) - int(pc.sum(pc.is_in(texts, value_set=values)).as_py() or 0)


def _too_narrow(ceilings: Ceilings) -> Check:
    def sound(text: str) -> bool:
        try:
            network = ipaddress.ip_network(text)
        except ValueError:
            return False
        limit = ceilings.ipv4_bits if network.version == 4 else ceilings.ipv6_bits
        return network.prefixlen <= limit and str(network) == text

    return lambda texts: sum(not sound(text) for text in texts.to_pylist())


def column_check(column: Column, catalogue: Catalogue, ceilings: Ceilings) -> Check | None:
    """What the texts of a declared column must satisfy; None for a column without text."""
    kind = column.type.value_type if pa.types.is_list(column.type) else column.type
    if not pa.types.is_string(kind):
        return None
    if column.values is None:
        return len
    if column.values == "cidr":
        return _too_narrow(ceilings)
    if column.values in _SHAPES:
        return _unlike(_SHAPES[column.values])
    return _outside(sorted(catalogue.storable(column.values)))


def scan_rows(
    table: str, rows: pa.Table, columns: Sequence[Column], catalogue: Catalogue, ceilings: Ceilings
) -> Scanned:
    """Scan rows of one event's table; the partition column may be missing, as it is in files."""
    declared = {column.name: column for column in columns}
    checks: dict[str, Check] = {}
    findings = []
    for field in rows.schema:
        column = declared.get(field.name)
        if column is None:
            findings.append(Finding(table, "(undeclared)", "no schema declares this column", 0))
        elif field.type != column.type:
            findings.append(Finding(table, column.name, "the type is not the declared one", 0))
        elif (check := column_check(column, catalogue, ceilings)) is not None:
            checks[column.name] = check
    return _scan(table, rows, checks, findings)


def scan_rejections(rows: pa.Table, events: Sequence[str], topics: Sequence[str] = ()) -> Scanned:
    """Scan rows of the rejections table: closed words and file identities only."""
    checks = {
        "source": _outside(["file", "kafka"]),
        "event": _outside(events),
        "stage": _outside([stage.value for stage in Stage]),
        "reason": _outside([reason.value for reason in Reason]),
        "topic": _other_than(topics, _unlike(_SHAPES["fingerprint"])),
    }
    known = {"ingest_date", "ingest_hour", "partition", "offset", "size_bucket", *checks}
    extra = [
        Finding("rejections", "(undeclared)", "no schema declares this column", 0)
        for name in rows.schema.names
        if name not in known
    ]
    return _scan("rejections", rows, checks, extra)


def _other_than(allowed: Sequence[str], check: Check) -> Check:
    values = pa.array(sorted(allowed), pa.string())
    return lambda texts: check(texts.filter(pc.invert(pc.is_in(texts, value_set=values))))


def _scan(
    table: str, rows: pa.Table, checks: Mapping[str, Check], findings: list[Finding]
) -> Scanned:
    texts = 0
    for name, check in checks.items():
        distinct = _distinct(rows.column(name))
        texts += len(distinct)
        wrong = check(distinct)
        if wrong:
            findings.append(Finding(table, name, "values that may not be stored", wrong))
    return Scanned(rows.num_rows, texts, tuple(findings))


def _distinct(column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_list(column.type):
        column = pa.chunked_array(
            [chunk.flatten() for chunk in column.chunks], column.type.value_type
        )
    return pc.unique(column.drop_null())


def findings_as_rows(findings: Sequence[Finding]) -> Iterator[tuple[str, str, str, int]]:
    """Findings as table rows, each distinct one once."""
    for finding in dict.fromkeys(findings):
        yield finding.table, finding.column, finding.problem, finding.values
