"""How rows become Parquet: the one place that knows the file settings.

No statistics on columns of tokens: a minimum or maximum would say who was there in the footer.
Row groups of about 128k rows, zstd. Comments, units and sensitivities travel as Arrow field
metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROWS_PER_GROUP = 131_072
COMPRESSION = "zstd"
STREAM_LEVEL = 1
"""For files that live until their day is sealed: level 3 costs 20 % more and saves nothing."""
SEALED_LEVEL = 3
TOKEN_COLUMNS = frozenset({"event_token", "subject", "session", "error_fingerprint"})
UNIQUE_COLUMNS = frozenset({"event_token"})
"""Every value occurs once: a dictionary would only cost time."""


def part_writer(sink: object, schema: pa.Schema, level: int = STREAM_LEVEL) -> pq.ParquetWriter:
    """Open a Parquet writer with the lake's settings on `sink`; `level` is zstd's."""
    columns = leaf_paths(schema)
    return pq.ParquetWriter(
        sink,
        schema,
        compression=COMPRESSION,
        compression_level=level,
        use_dictionary=[path for path, name in columns if name not in UNIQUE_COLUMNS],
        write_statistics=[path for path, name in columns if name not in TOKEN_COLUMNS],
        store_schema=True,
        version="2.6",
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
            yield day, rest.filter(pc.equal(dates, pa.scalar(day, dates.type)))
