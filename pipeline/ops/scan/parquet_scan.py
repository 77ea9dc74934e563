"""One Parquet file, as a whole: its footer, its columns, its dictionaries and every value.

    columns       exactly those of one declared layout, with their types and field metadata
    metadata      the keys and texts that our writer puts into a file, and no others
    bytes         every byte belongs to a column, a declared Bloom filter or the footer
    statistics    none for token columns, for others only values that the column may hold
    page index    none
    dictionaries  only values that the column may hold; only tokens that a row has
    values        every one in the closed set of its column

Read row group by row group. A file that cannot be read is one finding.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.io.parquet.encoding import ROWS_PER_GROUP, UNIQUE_COLUMNS
from pipeline.ops.scan.column_values import Wrong, addresses, either
from pipeline.ops.scan.findings import Finding

READABLE, COLUMNS, VALUES = "every_file_read", "declared_columns", "stored_values"
TOKENS, ADDRESSES = "no_token_statistics", "no_addresses"
LARGEST_GROUP = 4 * ROWS_PER_GROUP
"""Our writer makes smaller groups; a larger one is read in pieces."""
FOREIGN_FIELD = b"PARQUET:field_id"
_WRITTEN_BY = re.compile(r"parquet-cpp-arrow version \d{1,3}\.\d{1,3}\.\d{1,3}")
_MAGIC = 4
_TAIL = 8
"""A footer ends with its length and the magic bytes."""
_TAG = 16
"""An encrypted footer ends with its cipher's tag, which its size does not count."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a kind of Parquet file may be."""

    schemas: Sequence[pa.Schema]
    """Column names, types and field metadata: one of these."""
    values: Mapping[str, Wrong]
    checks_of: Callable[[str], tuple[str, ...]]
    """The checks that a wrong value of a column breaks."""
    tokens: frozenset[str]
    """Columns of tokens, about which a footer says nothing."""
    metadata: Mapping[bytes, bytes] = field(default_factory=dict)
    """Keys and texts besides Arrow's own schema."""
    filters: frozenset[str] = frozenset()
    """Columns that may have a Bloom filter."""
    empty: frozenset[str] = frozenset()
    """Columns that hold nothing at all in this file."""
    versions: Sequence[Mapping[str, Wrong]] = ()
    """What each of `schemas` allows; empty where there is only one."""

    def of(self, schema: pa.Schema) -> Layout:
        """The layout of a file with this schema: a column holds what the schema declares.

        A later version stores less than an earlier one, and its files name their version.
        """
        values = dict(self.values)
        for item in schema:
            mine = [
                rules[item.name]
                for declared, rules in zip(self.schemas, self.versions, strict=False)
                if item.name in rules and _says(item, declared.field(item.name))
            ]
            if mine:
                values[item.name] = reduce(either, mine)
        return replace(self, values=values)


Look = Callable[[str, pa.Array], Iterable[Finding]]
"""Called with a token column's name and its distinct tokens."""


@dataclass(slots=True)
class FileScan:
    """The result of scanning one file."""

    rows: int = 0
    texts: int = 0
    findings: list[Finding] = field(default_factory=list)


def scan_file(
    source: pa.NativeFile,
    place: str,
    layout: Layout,
    decryption: pq.FileDecryptionProperties | None,
    look: Look,
) -> FileScan:
    """Compare a file with its layout. Raises Arrow's errors for one that cannot be read."""
    done = FileScan()
    plain = pq.ParquetFile(source, decryption_properties=decryption)
    footer, schema = plain.metadata, plain.schema_arrow
    done.rows = footer.num_rows
    layout = layout.of(schema)
    size = source.size() - (_TAG if decryption is not None else 0)
    done.findings += _footer(place, footer, schema, layout, size)
    done.findings += _columns(place, schema, layout)
    text = [_leaf(one) for one in schema if _holds_text(one.type) and one.name in layout.values]
    file = pq.ParquetFile(
        source,
        metadata=footer,
        read_dictionary=[path for path in text if path not in UNIQUE_COLUMNS],
        decryption_properties=decryption,
    )
    names = [one.name for one in schema if _is_declared(one, layout)]
    seen = _Values(place, layout, look)
    for group in range(footer.num_row_groups):
        for rows in _group(file, footer, group, names):
            for name, column in zip(rows.schema.names, rows.columns, strict=True):
                for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
                    seen.add(name, chunk)
        seen.end_group()
    done.texts = seen.texts
    done.findings += seen.findings()
    return done


def _group(
    file: pq.ParquetFile, footer: pq.FileMetaData, group: int, names: list[str]
) -> Iterator[pa.Table | pa.RecordBatch]:
    if footer.row_group(group).num_rows <= LARGEST_GROUP:
        yield file.read_row_group(group, names, use_threads=False)
        return
    yield from file.iter_batches(ROWS_PER_GROUP, [group], names, use_threads=False)


def _columns(place: str, schema: pa.Schema, layout: Layout) -> Iterator[Finding]:
    declared: dict[str, list[pa.Field]] = {}
    for one in layout.schemas:
        for item in one:
            declared.setdefault(item.name, []).append(item)
    extra = [name for name in schema.names if name not in declared]
    if extra:
        yield Finding((COLUMNS,), place, "columns that no schema declares", len(extra))
    elif not any(sorted(schema.names) == sorted(one.names) for one in layout.schemas):
        yield Finding((COLUMNS,), place, "its columns are not those of any version")
    for item in schema:
        versions = declared.get(item.name, ())
        where = f"{place}, {item.name}"
        if versions and all(item.type != one.type for one in versions):
            yield Finding((COLUMNS,), where, "the type is not the declared one")
        elif versions and not any(_says(item, one) for one in versions):
            yield Finding((COLUMNS,), where, "field metadata that is not declared")
    if {**(schema.metadata or {})} != {**layout.metadata}:
        yield Finding((COLUMNS,), place, "metadata of the schema that is not declared")


def _says(item: pa.Field, declared: pa.Field) -> bool:
    """Whether a column's metadata is as declared; files of 0.1 do not say what texts hold."""
    words = _words(declared)
    return _words(item) in (words, {key: said for key, said in words.items() if key != b"values"})


def _words(item: pa.Field) -> dict[bytes, bytes]:
    words = dict(item.metadata or {})
    if words.get(FOREIGN_FIELD, b"-1").lstrip(b"-").isdigit():
        words.pop(FOREIGN_FIELD, None)
    inner = item.type.value_field.metadata if pa.types.is_list(item.type) else None
    return words | {key: text for key, text in (inner or {}).items() if key != FOREIGN_FIELD}


def _footer(
    place: str, footer: pq.FileMetaData, schema: pa.Schema, layout: Layout, size: int
) -> Iterator[Finding]:
    keys = set(footer.metadata or {}) - {b"ARROW:schema"} - set(layout.metadata)
    if keys:
        yield Finding((COLUMNS,), place, "metadata of the file that is not declared", len(keys))
    if not _WRITTEN_BY.fullmatch(footer.created_by or ""):
        yield Finding((COLUMNS,), place, "not written by this program's library")
    leaves = {_leaf(one): one for one in schema}
    least: dict[str, list[object]] = {}
    parts: list[tuple[int, int]] = []
    for group in range(footer.num_row_groups):
        row_group = footer.row_group(group)
        if row_group.sorting_columns:
            yield Finding((COLUMNS,), place, "an order of rows that is not declared")
        for number in range(footer.num_columns):
            chunk = row_group.column(number)
            name = leaves[chunk.path_in_schema].name if chunk.path_in_schema in leaves else ""
            where = f"{place}, {name or '(undeclared)'}"
            if chunk.has_column_index or chunk.has_offset_index:
                yield Finding((TOKENS,), where, "a page index, which is never written")
            if chunk.bloom_filter_offset is not None:
                if name not in layout.filters:
                    yield Finding((TOKENS,), where, "a Bloom filter that is not declared")
                length = chunk.bloom_filter_length or 0
                parts.append((chunk.bloom_filter_offset, length))
            if chunk.is_stats_set and name in layout.tokens:
                yield Finding((TOKENS,), where, "statistics of a token column")
            elif chunk.is_stats_set and chunk.statistics.has_min_max:
                found = chunk.statistics
                least.setdefault(chunk.path_in_schema, []).extend([found.min, found.max])
            if chunk.is_geo_stats_set:
                yield Finding((TOKENS,), where, "statistics that are never written")
            start = chunk.data_page_offset
            if chunk.has_dictionary_page:
                start = min(start, chunk.dictionary_page_offset)
            parts.append((start, chunk.total_compressed_size))
    for path, extremes in least.items():
        yield from _extremes(place, leaves.get(path), extremes, layout)
    yield from _bytes(place, parts, footer, size)


def _extremes(
    place: str, item: pa.Field | None, extremes: list[object], layout: Layout
) -> Iterator[Finding]:
    if item is None or item.name not in layout.values:
        return
    kind = item.type.value_type if pa.types.is_list(item.type) else item.type
    where = f"{place}, {item.name}"
    checks = (TOKENS, *layout.checks_of(item.name))
    try:
        values = pc.unique(pa.array(extremes, kind))
        if pa.types.is_floating(kind):
            values = pc.add(values, 0.0)  # Parquet writes the least zero as -0.0
    except (pa.ArrowException, TypeError, OverflowError):
        yield Finding(checks, where, "statistics of another type than the column's")
        return
    wrong = layout.values[item.name](values)
    if wrong:
        yield Finding(checks, where, "statistics with values that may not be stored", wrong)


def _bytes(
    place: str, parts: list[tuple[int, int]], footer: pq.FileMetaData, size: int
) -> Iterator[Finding]:
    """Find bytes that belong to no part: they could hold anything."""
    parts.append((0, _MAGIC))
    tail = footer.serialized_size + _TAIL
    end, hidden = 0, 0
    for start, length in sorted(parts):
        hidden += max(0, start - end)
        end = max(end, start + length)
    hidden += max(0, size - tail - end)
    if hidden:
        yield Finding((COLUMNS,), place, "bytes that belong to no part of the file", hidden)


class _Values:
    """The values of a file's columns, chunk by chunk."""

    def __init__(self, place: str, layout: Layout, look: Look) -> None:
        self._place, self._layout, self._look = place, layout, look
        self._wrong: dict[tuple[str, str], int] = {}
        self._extra: list[Finding] = []
        self._held: dict[str, list[pa.Array]] = {}
        self._used: dict[str, list[pa.Array]] = {}
        self.texts = 0

    def add(self, name: str, chunk: pa.Array) -> None:
        if pa.types.is_list(chunk.type):
            chunk = chunk.flatten()
        if len(chunk) == 0:
            return
        if name in self._layout.empty and chunk.null_count != len(chunk):
            self._note(name, "values where a final file has none", len(chunk) - chunk.null_count)
        if pa.types.is_dictionary(chunk.type):
            distinct = chunk.dictionary
            if name in self._layout.tokens:
                self._compare(name, distinct, chunk.indices)
        elif name in UNIQUE_COLUMNS:
            distinct = chunk.drop_null() if chunk.null_count else chunk
        else:
            distinct = pc.unique(chunk).drop_null()
        if pa.types.is_floating(distinct.type) and pc.any(pc.is_nan(distinct)).as_py():
            self._note(name, "not a number", 1)
        wrong = self._layout.values[name](distinct)
        if wrong:
            self._note(name, "values that may not be stored", wrong)
        if pa.types.is_string(distinct.type):
            self.texts += len(distinct)
            if wrong and (found := addresses(distinct)):
                self._note(name, "addresses", found)
        if name in self._layout.tokens and not wrong:
            self._extra += self._look(name, distinct)

    def _compare(self, name: str, distinct: pa.Array, codes: pa.Array) -> None:
        """Note tokens of a dictionary that no row of this chunk has."""
        used = np.zeros(len(distinct), np.bool_)
        used[codes.drop_null().to_numpy(zero_copy_only=False)] = True
        if not used.all():
            self._held.setdefault(name, []).append(distinct.filter(pa.array(~used)))
        if name in self._held:
            self._used.setdefault(name, []).append(distinct.filter(pa.array(used)))

    def end_group(self) -> None:
        """Check that every token in a row group's dictionaries belongs to one of its rows."""
        for name, held in self._held.items():
            there = pa.concat_arrays(self._used[name])
            lost = pa.concat_arrays(held)
            unused = len(lost) - (pc.sum(pc.is_in(lost, value_set=there)).as_py() or 0)
            if unused:
                self._note(name, "tokens in a dictionary that no row has", unused)
        self._held.clear()
        self._used.clear()

    def _note(self, name: str, reason: str, count: int) -> None:
        self._wrong[name, reason] = self._wrong.get((name, reason), 0) + count

    def findings(self) -> Iterator[Finding]:
        for (name, reason), count in self._wrong.items():
            checks = self._layout.checks_of(name)
            if reason == "addresses":
                checks = (ADDRESSES, *checks)
            if "dictionary" in reason or "final" in reason:
                checks = (TOKENS, *checks)
            yield Finding(checks, f"{self._place}, {name}", reason, count)
        yield from dict.fromkeys(self._extra)


def _leaf(item: pa.Field) -> str:
    return f"{item.name}.list.element" if pa.types.is_list(item.type) else str(item.name)


def _holds_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind.value_type if pa.types.is_list(kind) else kind))


def _is_declared(item: pa.Field, layout: Layout) -> bool:
    """Whether a column can be compared: others are already findings."""
    return item.name in layout.values and any(
        item.name in one.names and one.field(item.name).type == item.type for one in layout.schemas
    )
