"""How rows become Parquet: the one place that knows the file settings.

No statistics on columns of tokens: a minimum or maximum in the footer would say who was there.
Row groups of about 128k rows, zstd. Comments, units and sensitivities travel as Arrow field
metadata.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import date
from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from pipeline.events.schema import EVENT_TOKEN, SUBJECT, TOKEN_SHAPES

ROWS_PER_GROUP = 131_072
COMPRESSION = "zstd"
COMPRESSION_LEVEL = 1
"""Level 3 costs half as much time again and saves nothing: tokens do not compress."""
WRITE_BATCH = 16_384
"""Rows between Arrow's looks at page sizes and minima: with its own 1,024 a third of a copy's time
goes into looking."""
BLOOM_COLUMN = SUBJECT
"""Sealed files tell, without being read, that a token is not in them: for erasure."""
_ARROW_SCHEMA = "ARROW:schema"
"""Where Arrow keeps its own schema in a Parquet file: field metadata lives in it."""
UNIQUE_COLUMNS = frozenset({EVENT_TOKEN})
"""Every value occurs once: a dictionary would only cost time."""


_ONE_PAGE = {
    "max_rows_per_page": ROWS_PER_GROUP,
    "data_page_size": 1 << 30,
    "dictionary_pagesize_limit": 1 << 30,
}
"""Encrypted files: DuckDB reads the first page of an encrypted column, and fails at the second."""


class PartKind(StrEnum):
    """How a file came to be; the first word of its name."""

    STREAM = "part"
    """As the stream wrote it; it lives until its day is sealed."""
    SEALED = "sealed"
    """Sorted and deduplicated, while events of its day may still arrive."""
    FINAL = "final"
    """Sealed after the last regular arrival; event tokens are gone."""


_KINDS = {kind.value: kind for kind in PartKind}


def kind_of(path: str) -> PartKind:
    """Return how a file came to be, from its path; a name that is not ours counts as streamed.

    >>> kind_of("event_date=2026-11-01/final-0123456789ab-0.parquet").name
    'FINAL'
    """
    word = path.rpartition("/")[2].partition("-")[0]
    return _KINDS.get(word, PartKind.STREAM)


def token_columns(schema: pa.Schema) -> frozenset[str]:
    """Name the columns that may hold tokens: every text about which the schema says no more."""
    return frozenset(field.name for field in schema if _may_hold_tokens(field))


def _may_hold_tokens(field: pa.Field) -> bool:
    kind = field.type.value_type if pa.types.is_list(field.type) else field.type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)):
        return False
    values = (field.metadata or {}).get(b"values", b"").decode()
    return not values or values in TOKEN_SHAPES


def part_writer(
    sink: object,
    schema: pa.Schema,
    kind: PartKind = PartKind.STREAM,
    encryption: pq.FileEncryptionProperties | None = None,
) -> pq.ParquetWriter:
    """Open a Parquet writer with the lake's settings on `sink`.

    Minima and maxima are written for numbers, and for texts whose field metadata says that they
    hold no tokens.

    Columns may be dictionary arrays, as `open_part` reads them: they are written without being
    decoded, and the file says that they are plain, as every reader expects. An encrypted file has
    no Bloom filter, which pyarrow cannot encrypt.
    """
    columns, tokens = leaf_paths(schema), token_columns(schema)
    # The filter is folded to what a row group really holds; Arrow would begin with a million.
    bloom = (
        {BLOOM_COLUMN: {"ndv": ROWS_PER_GROUP}}
        if kind is not PartKind.STREAM and not encryption
        else {}
    )
    writer = pq.ParquetWriter(
        sink,
        schema,
        compression=COMPRESSION,
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=[path for path, name in columns if name not in UNIQUE_COLUMNS],
        write_statistics=[path for path, name in columns if name not in tokens],
        bloom_filter_options={name: on for name, on in bloom.items() if name in schema.names},
        write_batch_size=WRITE_BATCH,
        encryption_properties=encryption,
        **(_ONE_PAGE if encryption is not None else {}),
        store_schema=False,
        version="2.6",
    )
    writer.add_key_value_metadata({_ARROW_SCHEMA: b64encode(plain(schema).serialize()).decode()})
    return writer


def open_part(
    source: object,
    filesystem: pafs.FileSystem,
    decryption: pq.FileDecryptionProperties | None = None,
) -> pq.ParquetFile:
    """Open a file of the lake to copy rows of it: text comes as dictionary arrays, undecoded."""
    with pq.ParquetFile(source, filesystem=filesystem, decryption_properties=decryption) as file:
        text = [field.name for field in file.schema_arrow if pa.types.is_string(field.type)]
    coded = [name for name in text if name not in UNIQUE_COLUMNS]
    return pq.ParquetFile(
        source, filesystem=filesystem, read_dictionary=coded, decryption_properties=decryption
    )


def plain(schema: pa.Schema) -> pa.Schema:
    """Return the schema with plain types in place of dictionary types."""
    return pa.schema(
        [
            field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
            for field in schema
        ]
    )


def leaf_paths(schema: pa.Schema) -> list[tuple[str, str]]:
    """Return (Parquet column path, column name) for each column; lists have longer paths."""
    return [
        (f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name, field.name)
        for field in schema
    ]


def split_by_date(rows: pa.RecordBatch, column: str) -> Iterator[tuple[date, pa.RecordBatch]]:
    """Yield (date, its rows without the date column), oldest first; row order is kept.

    The column must hold no nulls: a row without a date has no partition.
    """
    index = rows.schema.get_field_index(column)
    dates = rows.column(index)
    rest = rows.select([name for name in rows.schema.names if name != column])
    distinct = sorted(pc.unique(dates).to_pylist())
    for day in distinct:
        if len(distinct) == 1:
            yield day, rest
        else:
            # A filtered dictionary holds the texts of every day.
            yield day, _decoded(rest.filter(pc.equal(dates, pa.scalar(day, dates.type))))


def _decoded(rows: pa.RecordBatch) -> pa.RecordBatch:
    columns = [
        column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        for column in rows.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=plain(rows.schema))
