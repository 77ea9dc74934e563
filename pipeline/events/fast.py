"""The columnar path for messages of any layout: one parse of a block by `pyarrow.json`.

Every declared and every learned name is in the parser's schema, so that it refuses names standing
twice, unknown names and wrong kinds itself; `finish` looks after what it lets through.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.json as pj

from pipeline.events.finish import Parsed, finish
from pipeline.events.learned import LearnedNames
from pipeline.events.lines import Lines
from pipeline.events.schema import EventSchema

_ROW: Final = re.compile(r" in row ([0-9]{1,9})\Z")


@dataclass(frozen=True, slots=True)
class Refused:
    """The parser took none of the block; `culprit` is where it stopped, if it said so."""

    culprit: int | None


def parse_lines(schema: EventSchema, learned: LearnedNames, lines: Lines) -> Parsed | Refused:
    """Parse screened messages of one event.

    Every row of the result has exactly the values that the strict decoder would give, and every
    message is either in `rows` or in `doubtful`; or the whole block is refused.
    """
    table = _parse_json(lines, learned.parser_schema())
    if isinstance(table, Refused):
        return table
    if table.num_rows != len(lines):
        return Refused(None)
    learned.saw(table)
    arrays = [_whole(table.column(at)) for at in range(table.num_columns)]
    declared = len(schema.fields)
    return finish(schema, arrays[:declared], lines.rows, arrays[declared:])


def _parse_json(lines: Lines, columns: pa.Schema) -> pa.Table | Refused:
    size = lines.buffer.size + 1
    try:
        return pj.read_json(
            pa.BufferReader(lines.buffer),
            read_options=pj.ReadOptions(use_threads=False, block_size=size),
            parse_options=pj.ParseOptions(
                explicit_schema=columns, unexpected_field_behavior="error"
            ),
        )
    except pa.ArrowException as error:  # its text may show the payload: keep a row number only
        match = _ROW.search(str(error))
    culprit = int(match[1]) if match else len(lines)
    return Refused(culprit if culprit < len(lines) else None)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
