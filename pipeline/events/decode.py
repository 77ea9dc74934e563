"""Decode: a slice of raw messages to a `RawBatch` of typed columns.

Three paths, from quick to sure: messages whose layout is known (`familiar`), messages that a
columnar parser takes (`fast`), all others one by one (`strict`). Nobody can tell from the result
which one it was: the strict decoder defines what a message means. When the parser refuses a
block, the message it stopped at (or a few, if it does not say) goes to the strict decoder, which
also learns the undeclared names in it, and the rest is tried again. A hostile or careless
producer makes decoding slower, never wrong.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import pyarrow as pa

from pipeline.events.familiar import FamiliarLayouts
from pipeline.events.fast import Refused, parse_lines
from pipeline.events.finish import Parsed
from pipeline.events.learned import LearnedNames
from pipeline.events.lines import Lines, bare_nulls, join, lines_of, screen
from pipeline.events.model import (
    NONE_REJECTED,
    REJECTED,
    Offsets,
    RawBatch,
    Reason,
    Slice,
    Stage,
)
from pipeline.events.schema import EventSchema
from pipeline.events.strict import Record, StrictDecoder

BLOCK_MESSAGES: Final = 32_768
"""Messages in one columnar parse: enough to forget its fixed cost, few enough for the caches."""
STRICT_RUN: Final = 64
"""Messages that go to the strict decoder together when the columnar parser keeps stopping."""
LONG_RUN: Final = 16
"""Rows that must come in one run, on the average, for runs to be quicker than single rows."""
SPLIT: Final = 16
"""Parts into which a block is cut when the parser does not say where it stopped."""


class Decoder:
    """Decodes slices of one event. Not thread-safe; keeps nothing but learned names."""

    def __init__(self, schemas: tuple[EventSchema, ...]) -> None:
        """`schemas` are the known versions of one event, ascending."""
        self._newest = schemas[-1]
        self._strict = StrictDecoder(schemas)
        self._learned = LearnedNames(self._newest)
        self._familiar = FamiliarLayouts(self._newest, self._strict)

    def decode(self, source: Slice) -> RawBatch:
        """Columns of every message that is understood, and a rejection for each other one.

        Rows and rejections are in the order of the slice. Never raises on account of the data.
        """
        work = _Work(source, self._newest, self._strict, self._learned, self._familiar)
        for low in range(0, len(source), BLOCK_MESSAGES):
            high = min(low + BLOCK_MESSAGES, len(source))
            sure = screen(source, low, high)
            work.strictly(low + np.flatnonzero(~sure))
            if sure.any():
                work.by_columns(low + np.flatnonzero(sure))
        return work.batch()


class _Work:
    """What has become of one slice's messages so far."""

    def __init__(
        self,
        source: Slice,
        newest: EventSchema,
        strict: StrictDecoder,
        learned: LearnedNames,
        familiar: FamiliarLayouts,
    ) -> None:
        self._source = source
        self._newest = newest
        self._strict = strict
        self._learned = learned
        self._familiar = familiar
        self._pieces: list[tuple[Offsets, pa.RecordBatch]] = []
        self._records: list[tuple[int, Record]] = []
        self._refused: list[tuple[int, Reason]] = []
        self._nulled: Counter[tuple[str, str]] = Counter()

    def strictly(self, rows: Offsets) -> None:
        """Decode these messages one by one, and learn from them."""
        source = self._source
        for row in rows.tolist():
            answer = self._strict.decode(source.data[source.starts[row] : source.ends[row]])
            if isinstance(answer, Reason):
                self._refused.append((row, answer))
                continue
            self._records.append((row, answer))
            self._nulled.update(answer.nulled)
            if answer.undeclared:
                self._learned.learn(answer.undeclared)

    def by_columns(self, rows: Offsets) -> None:
        """Decode screened messages (at least one) by columns, as far as that goes."""
        parsed, rest = self._familiar.parse(lines_of(self._source, rows))
        if parsed is not None:
            self._accept(parsed)
        if not len(rest):
            return
        lines = lines_of(self._source, rows[rest])
        nulls = bare_nulls(lines)
        if nulls.any():
            self.strictly(lines.rows[nulls])
            if nulls.all():
                return
            lines = lines_of(self._source, lines.rows[~nulls])
        self._by_parser(lines)

    def _by_parser(self, lines: Lines) -> None:
        """Decode by the columnar parser what it takes, and the rest strictly."""
        accepted: list[Lines] = []  # runs before a culprit, parsed together at the end
        while len(lines):
            culprit = self._parse(lines)
            if culprit is None:
                break
            if len(lines) <= STRICT_RUN:
                self.strictly(lines.rows)
                break
            if STRICT_RUN <= culprit < len(lines):
                accepted.append(lines.part(0, culprit))
                self.strictly(lines.rows[culprit : culprit + 1])
                lines = lines.part(culprit + 1, len(lines))
                continue
            before = self._learned.parser_schema()
            self.strictly(lines.rows[:STRICT_RUN])
            lines = lines.part(STRICT_RUN, len(lines))
            if culprit == len(lines) + STRICT_RUN and before is self._learned.parser_schema():
                self._split(lines)
                break
        if accepted:
            joined = join(accepted)
            if self._parse(joined) is not None:
                self._split(joined)

    def _parse(self, lines: Lines) -> int | None:
        """None if the block is done, else where the parser stopped (its length if unknown)."""
        parsed = parse_lines(self._newest, self._learned, lines)
        if isinstance(parsed, Refused):
            return len(lines) if parsed.culprit is None else parsed.culprit
        self._accept(parsed)
        return None

    def _accept(self, parsed: Parsed) -> None:
        self._nulled.update(parsed.nulled)
        if len(parsed.rows):
            self._piece(parsed.rows, parsed.columns)
        self.strictly(parsed.doubtful)

    def _split(self, lines: Lines) -> None:
        step = max(STRICT_RUN, -(-len(lines) // SPLIT))
        for start in range(0, len(lines), step):
            self._by_parser(lines.part(start, min(start + step, len(lines))))

    def _piece(self, rows: Offsets, columns: list[pa.Array]) -> None:
        """Keep the columns of these messages, with the coordinates of each."""
        source = self._source
        sizes = (source.ends[rows] - source.starts[rows]).astype(np.int32)
        coordinates = [pa.array(source.offsets[rows]), pa.array(sizes)]
        batch = pa.RecordBatch.from_arrays([*columns, *coordinates], schema=self._newest.raw)
        self._pieces.append((rows, batch))

    def batch(self) -> RawBatch:
        """The whole slice's rows, rejections and counts."""
        if self._records or not self._pieces:
            self._strict_piece()
        source = self._source
        return RawBatch(
            source.span,
            source.event,
            len(source),
            _in_order(self._pieces),
            self._rejections(),
            nulled=dict(self._nulled),
        )

    def _strict_piece(self) -> None:
        rows = np.array([row for row, _ in self._records], np.int64)
        columns = [
            pa.array([record.values[at] for _, record in self._records], self._newest.raw[at].type)
            for at in range(len(self._newest.fields))
        ]
        self._piece(rows, columns)

    def _rejections(self) -> pa.RecordBatch:
        if not self._refused:
            return NONE_REJECTED
        self._refused.sort(key=lambda refusal: refusal[0])
        source = self._source
        rows = np.array([row for row, _ in self._refused], np.int64)
        return pa.RecordBatch.from_arrays(
            [
                pa.array(source.offsets[rows]),
                pa.array(
                    np.minimum(source.ends[rows] - source.starts[rows], 2**31 - 1), pa.int32()
                ),
                pa.array([Stage.DECODE.value] * len(rows)),
                pa.array([reason.value for _, reason in self._refused]),
            ],
            schema=REJECTED,
        )


def _in_order(pieces: list[tuple[Offsets, pa.RecordBatch]]) -> pa.RecordBatch:
    """The pieces' rows (ascending in each) as one batch in the order of the slice.

    Most pieces are long and few rows stand between them, so runs are put together, not rows.
    """
    rows = np.concatenate([rows for rows, _ in pieces])
    piece = np.repeat(np.arange(len(pieces)), [len(rows) for rows, _ in pieces])
    order = np.argsort(rows, kind="stable")
    follows = (np.diff(order) == 1) & (np.diff(piece[order]) == 0)
    begins = np.flatnonzero(np.concatenate([[True], ~follows]))[: len(order)]
    lengths = np.diff(begins, append=len(order))
    within = order - np.searchsorted(piece, piece)[order]
    runs = [
        pieces[at][1].slice(first, length)
        for at, first, length in zip(
            piece[order[begins]].tolist(), within[begins].tolist(), lengths.tolist(), strict=True
        )
    ]
    if len(runs) < 2:
        return runs[0] if runs else pieces[0][1]
    if len(runs) * LONG_RUN > len(order):
        return pa.concat_batches([batch for _, batch in pieces]).take(pa.array(order))
    return pa.concat_batches(runs)
