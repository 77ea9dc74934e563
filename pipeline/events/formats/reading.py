"""From the messages of a slice to columns of text, by the kernel: `lines` for all lines at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.events.decode.columns import without
from pipeline.events.decode.strict_json import MAX_SIZE
from pipeline.events.decode.table import KernelTable, Kind, array_of
from pipeline.events.formats.lines import COMPLETE, MARK, STREAMS, columns_of, is_comment
from pipeline.events.formats.model import Envelope, Format, Layout, Reads, Source
from pipeline.events.formats.otlp import MAX_NAMES
from pipeline.events.model import Offsets, Reason
from pipeline.events.schema import TEXT_LIMIT

if TYPE_CHECKING:
    from pipeline.kernel import Splitter

NOBODY: Final = 65535
"""The column of a value that is not requested, in the kernel's terms."""


RECORD_BITS: Final = 16
"""More than the records of any line, because it is more than the bytes of any line."""


@dataclass(slots=True, repr=False)
class Lines:
    """Lines of a slice, or of the envelopes in it, and which message each of them came from."""

    data: npt.NDArray[np.uint8]
    starts: Offsets
    ends: Offsets
    messages: Offsets
    refused: list[tuple[Offsets, list[Reason]]] = field(default_factory=list)
    """Records that were refused so far, by `places`."""
    header: bytes | None = None
    """See `Slice.header`."""
    numbers: Offsets | None = None
    """The number of each record in its line, if a line is many records."""

    def refuse(self, numbers: Offsets, reasons: list[Reason]) -> None:
        """Leave out the lines with these numbers."""
        self.refused.append((self.places()[numbers], reasons))
        self.messages = without(self.messages, numbers)
        if self.numbers is not None:
            self.numbers = without(self.numbers, numbers)

    def places(self) -> Offsets:
        """The position of each line: numbers that order records as they come in the slice."""
        numbers = 0 if self.numbers is None else self.numbers
        return (self.messages << RECORD_BITS) + numbers

    def keep(self, wanted: npt.NDArray[np.bool_]) -> None:
        """Leave out all other lines, silently."""
        self.starts, self.ends = self.starts[wanted], self.ends[wanted]
        self.messages = self.messages[wanted]


class Reader:
    """Reads the values that a format asks for. Keeps nothing of the messages."""

    def __init__(
        self, native: ModuleType, format_: Format, kinds: Sequence[tuple[Source, Kind]]
    ) -> None:
        """`kinds` are the values to read, and how they are written in JSON."""
        self._native = native
        self._format = format_
        self._reasons = [Reason(name) for name in native.REASONS]
        self._sources = [source for source, _ in kinds]
        self._table: KernelTable | None = None
        self._splitter: Splitter | None = None
        self._envelope: KernelTable | None = None
        if format_.reads is Reads.JSON:
            self._table = KernelTable(native, kinds, depth=format_.depth)
        elif format_.reads is Reads.OTLP:
            self._envelope = KernelTable(native, [], depth=format_.depth, keys=MAX_NAMES)
            self._table = KernelTable(native, kinds)
        elif format_.reads is Reads.PATTERN:
            self._splitter = self._of_patterns(format_.layout)
        elif format_.reads is not Reads.W3C:
            self._splitter = self._of_columns(format_.layout.columns)
        self._docker = KernelTable(native, [(("log",), Kind.TEXT)], text=MAX_SIZE)
        captures = [(0, b" "), (1, b" "), (2, b" "), (3, b"")]
        limits = (MAX_SIZE, MAX_SIZE)
        self._cri = native.Splitter.of_patterns([(b"", captures)], 4, limits)

    def read(self, lines: Lines) -> tuple[list[pa.Array], dict[int, int]]:
        """A column for each value, and how many lists in them could not be read.

        Lines that are refused, and comments, are taken out of `lines`.
        """
        if self._format.envelope is not Envelope.NONE:
            self._unwrap(lines)
        if self._envelope is not None:
            self._flatten(self._envelope, lines)
        if self._table is not None:
            found = self._table.decode(lines.data, lines.starts, lines.ends)  # type: ignore[arg-type]
            lines.refuse(found.refused, found.reasons)
            return found.arrays, {column: n for (column, _), n in found.nulled.items()}
        if self._splitter is not None:
            return self._split(self._splitter, lines, len(self._sources)), {}
        return self._w3c(lines), {}

    def _split(self, splitter: Splitter, lines: Lines, count: int) -> list[pa.Array]:
        rows, buffers, refused, reasons = self._native.split(
            splitter, lines.data, lines.starts, lines.ends
        )
        numbers = np.frombuffer(refused, np.int64)
        lines.refuse(numbers, [self._reasons[code] for code in bytes(reasons)])
        assert len(buffers) == count
        return [array_of(pa.string(), rows, one) for one in buffers]

    def _flatten(self, envelope: KernelTable, lines: Lines) -> None:
        """Replace lines by the records in them."""
        flat = envelope.flatten(lines.data, lines.starts, lines.ends)  # type: ignore[arg-type]
        messages = lines.messages
        lines.refused.append((messages[flat.refused] << RECORD_BITS, flat.reasons))
        lines.data = flat.data
        lines.starts, lines.ends = flat.starts, flat.ends
        lines.messages, lines.numbers = messages[flat.lines], flat.numbers

    def _unwrap(self, lines: Lines) -> None:
        if self._format.envelope is Envelope.CRI:
            _, stream, tag, content = self._split(self._cri, lines, 4)
            fits = pc.and_(pc.is_in(stream, pa.array(STREAMS)), pc.equal(tag, COMPLETE))
            cut = 0
        else:
            found = self._docker.decode(lines.data, lines.starts, lines.ends)  # type: ignore[arg-type]
            lines.refuse(found.refused, found.reasons)
            content = found.arrays[0]
            fits, cut = pc.ends_with(content, "\n"), 1
        whole = pc.fill_null(fits, False).to_numpy(zero_copy_only=False)
        broken = np.flatnonzero(~whole)
        lines.refuse(broken, [Reason.NOT_IN_FORMAT] * len(broken))
        bounds, lines.data = texts_of(content)
        lines.starts = bounds[:-1][whole].astype(np.int64)
        lines.ends = bounds[1:][whole].astype(np.int64) - cut

    def _w3c(self, lines: Lines) -> list[pa.Array]:
        parts: list[list[pa.Array]] = []
        kept: list[Offsets] = []
        for columns, begin, stop in _passages(lines, self._format.layout.columns):
            part = Lines(
                lines.data,
                lines.starts[begin:stop],
                lines.ends[begin:stop],
                lines.messages[begin:stop],
                lines.refused,
            )
            parts.append(self._split(self._of_columns(columns), part, len(self._sources)))
            kept.append(part.messages)
        lines.messages = np.concatenate(kept) if kept else lines.messages[:0]
        if len(parts) == 1:
            return parts[0]
        none = pa.array([], pa.string())
        return [
            pa.concat_arrays([none, *(part[at] for part in parts)])
            for at in range(len(self._sources))
        ]

    def _of_patterns(self, layout: Layout) -> Splitter:
        patterns = [
            (
                pattern.lead.encode(),
                [(self._column(name), literal.encode()) for name, literal in pattern.captures],
            )
            for pattern in layout.patterns
        ]
        return self._native.Splitter.of_patterns(patterns, len(self._sources), _LIMITS)  # type: ignore[no-any-return]

    def _of_columns(self, columns: Sequence[str]) -> Splitter:
        layout, quoted = self._format.layout, self._format.reads is Reads.QUOTED
        # Of two columns with the same name, the last one counts.
        places = {name: at for at, name in enumerate(columns)}
        numbers = [
            self._column(name) if places[name] == at else NOBODY for at, name in enumerate(columns)
        ]
        return self._native.Splitter.of_columns(  # type: ignore[no-any-return]
            ord(layout.separator),
            quoted,
            numbers,
            layout.least,
            not quoted,
            len(self._sources),
            _LIMITS,
        )

    def _column(self, name: str) -> int:
        return self._sources.index((name,)) if (name,) in self._sources else NOBODY


_LIMITS: Final = (MAX_SIZE, TEXT_LIMIT)


def texts_of(column: pa.Array) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Where the texts of a column are in its bytes; a null is an empty text."""
    _, offsets, data = column.buffers()
    bounds = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    return bounds, np.frombuffer(b"" if data is None else data, np.uint8)


def _passages(lines: Lines, columns: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """Lines between comments: the columns that are known there, and the lines' numbers.

    Comments are taken out of `lines`.
    """
    first = np.zeros(len(lines.starts), np.uint8)
    there = lines.starts < lines.ends
    first[there] = lines.data[lines.starts[there]]
    comments: list[int] = []
    texts: list[bytes] = []
    for at in np.flatnonzero((first == ord("#")) | (first == MARK[0])).tolist():
        text = lines.data[lines.starts[at] : lines.ends[at]].tobytes()
        if is_comment(text):
            comments.append(at)
            texts.append(text)
    wanted = np.ones(len(lines.starts), np.bool_)
    wanted[comments] = False
    lines.keep(wanted)
    columns = columns_of(lines.header or b"", columns)
    if lines.header is None:
        comments.clear()
        texts.clear()
    begin = 0
    for number, (at, text) in enumerate(zip(comments, texts, strict=True)):
        stop = at - number
        if stop > begin:
            yield columns, begin, stop
        begin, columns = stop, columns_of(text, columns)
    if len(lines.starts) > begin:
        yield columns, begin, len(lines.starts)
