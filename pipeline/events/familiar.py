"""The quickest path: messages whose layout is known already.

Layouts are learned from messages that the strict decoder accepts and kept as long as they occur.
The memory is bounded, and like all that is learned from messages it stays in this process.
"""

from __future__ import annotations

from typing import Final, Never

import numpy as np

from pipeline.events.finish import Parsed, finish
from pipeline.events.gathering import Gathering
from pipeline.events.layouts import Layout, layout_of
from pipeline.events.lines import Lines
from pipeline.events.matching import Block, Flags, block_of, match_layout
from pipeline.events.model import Offsets
from pipeline.events.schema import EventSchema
from pipeline.events.strict import Record, StrictDecoder

MIN_MESSAGES: Final = 32
"""Fewer messages of one layout are not worth the fixed cost of matching them."""
MAX_LAYOUTS: Final = 128
MAX_TRIALS: Final = 32
"""New layouts looked for in one block."""


class FamiliarLayouts:
    """Parses the messages of a block that have one of the layouts seen before."""

    def __init__(self, schema: EventSchema, strict: StrictDecoder) -> None:
        self._schema = schema
        self._strict = strict
        self._hits: dict[Layout, int] = {}

    def __repr__(self) -> str:
        return f"FamiliarLayouts({len(self._hits)} layouts)"

    def __reduce__(self) -> Never:
        raise TypeError("layouts stay in the process that learned them")

    def parse(self, lines: Lines) -> tuple[Parsed | None, Offsets]:
        """What has a familiar layout, and which of the lines (by index) have not."""
        if len(lines) < MIN_MESSAGES:
            return None, np.arange(len(lines))
        block = block_of(lines)
        counts = np.diff(block.first)
        pending = block.plain.copy()
        gathering = Gathering(self._schema, block)
        for layout in sorted(self._hits, key=lambda known: -self._hits[known]):
            self._hits[layout] = self._apply(layout, block, counts, pending, gathering)
        self._look_for_more(block, counts, pending, gathering)
        rows, arrays = gathering.columns()
        rest = np.ones(len(lines), np.bool_)
        rest[rows] = False
        parsed = finish(self._schema, arrays, lines.rows[rows]) if len(rows) else None
        return parsed, np.flatnonzero(rest)

    def _apply(
        self, layout: Layout, block: Block, counts: Offsets, pending: Flags, gathering: Gathering
    ) -> int:
        """Gather the pending messages of this layout; returns how many there were."""
        rows = np.flatnonzero(pending & (counts == layout.quotes))
        if len(rows) < MIN_MESSAGES:
            return 0
        match = match_layout(layout, block, rows)
        if len(match.rows):
            pending[match.rows] = False
            gathering.add(layout, match)
        return len(match.rows)

    def _look_for_more(
        self, block: Block, counts: Offsets, pending: Flags, gathering: Gathering
    ) -> None:
        """Learn the layouts of messages that are still pending, those of most messages first."""
        hopeless: set[int] = set()
        for _ in range(MAX_TRIALS):
            numbers = np.bincount(counts[pending], minlength=1)
            numbers[list(hopeless)] = 0
            quotes = int(numbers.argmax())
            if numbers[quotes] < MIN_MESSAGES:
                return
            rows = np.flatnonzero(pending & (counts == quotes))
            row = int(rows[len(rows) // 2])
            message = bytes(block.content[block.lines.bounds[row] : block.ends[row]])
            known = isinstance(self._strict.decode(message), Record)
            layout = layout_of(self._schema, message) if known else None
            hits = self._apply(layout, block, counts, pending, gathering) if layout else 0
            if layout and hits >= MIN_MESSAGES:
                self._remember(layout, hits)
            else:
                hopeless.add(quotes)

    def _remember(self, layout: Layout, hits: int) -> None:
        if len(self._hits) >= MAX_LAYOUTS:
            del self._hits[min(self._hits, key=lambda known: self._hits[known])]
        self._hits[layout] = hits
