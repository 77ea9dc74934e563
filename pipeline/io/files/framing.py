"""Lines: where messages begin and end in a block of bytes.

Pure functions on bytes. Blank lines are skipped (the position moves past them), and a
carriage return before the line feed stays with its message: to JSON it is white space.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline import native
from pipeline.events.model import Offsets
from pipeline.parsing import parse_json

MESSAGE_BYTES = 64 * 1024
"""Decoding refuses longer messages, so at most one byte more than this is ever held of one."""

SLICE_MESSAGES = 1 << 18
"""The most lines in a slice: bounds the memory for their offsets when lines are short."""

_LINE_FEED = 10
_CARRIAGE_RETURN = 13
_BLOCK = 1 << 20


class Lines(NamedTuple):
    """Messages in a block, and how many bytes of the block they and their line feeds take."""

    starts: Offsets
    ends: Offsets
    stop: int


def find_lines(data: bytes) -> Lines:
    """Find a block's complete lines, at most `SLICE_MESSAGES`; `stop` is 0 if there is none."""
    kernel = native.kernel()
    if kernel is not None:
        begins, stops, stop = kernel.find_lines(data, SLICE_MESSAGES)
        return Lines(np.frombuffer(begins, np.int64), np.frombuffer(stops, np.int64), stop)
    feeds = _line_feeds(data)
    if not len(feeds):
        return Lines(feeds, feeds, 0)
    starts = np.empty_like(feeds)
    starts[0] = 0
    np.add(feeds[:-1], 1, out=starts[1:])
    kept = _not_blank(data, starts, feeds)
    return Lines(starts[kept], feeds[kept], int(feeds[-1]) + 1)


def first_line(block: bytes, *, whole: bool) -> bytes | None:
    """Return the first line that is not blank, without its end; None if it is not complete yet.

    `whole` says that nothing will follow the block. Only the first `MESSAGE_BYTES`
    bytes of a longer line are returned.
    """
    text = block.lstrip(b"\r\n")
    line, feed, _ = text.partition(b"\n")
    if len(line) >= MESSAGE_BYTES:
        return line[:MESSAGE_BYTES]
    return line.rstrip(b"\r") if line and (feed or whole) else None


def is_complete_object(line: bytes) -> bool:
    """Return whether an unterminated line is a whole JSON object, so nothing can follow in it."""
    if not line.lstrip().startswith(b"{") or len(line) > MESSAGE_BYTES:
        return False
    try:
        parse_json(line)
    except ValueError:
        return False
    return True


def _line_feeds(data: bytes) -> Offsets:
    """Find line feeds block by block, to stay in the cache and to stop when there are enough."""
    view = np.frombuffer(data, np.uint8)
    found: list[Offsets] = []
    count = 0
    for start in range(0, len(view), _BLOCK):
        feeds = np.flatnonzero(view[start : start + _BLOCK] == _LINE_FEED)
        feeds += start
        found.append(feeds)
        count += len(feeds)
        if count >= SLICE_MESSAGES:
            break
    return np.concatenate(found)[:SLICE_MESSAGES] if found else np.empty(0, np.int64)


def _not_blank(
    data: bytes, starts: Offsets, ends: Offsets
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    lengths = ends - starts
    kept = lengths > 0
    single = np.flatnonzero(lengths == 1)
    if len(single):
        view = np.frombuffer(data, np.uint8)
        kept[single] = view[starts[single]] != _CARRIAGE_RETURN
    return kept
