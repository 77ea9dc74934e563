"""JSON numbers in a column of texts, checked against the grammar that casts do not know.

A cast takes `007`, `.5`, `5.` and `nan` for numbers; JSON does not, and neither may we.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

LONGEST: Final = 18
"""Longest numeral read here; within it every integer fits int64 and every number is finite."""
INTEGER: Final = r"-?(?:0|[1-9][0-9]*)"
PLAIN: Final = INTEGER + r"(?:\.[0-9]+)?"
"""Numbers without an exponent."""

_MINUS, _DOT, _ZERO = b"-.0"


def read_numerals(texts: pa.StringArray, kind: pa.DataType) -> tuple[pa.Array, Flags | None]:
    """Numbers of type int64 or float64 from texts that are not null, and which rows hold one.

    The flags are None when all do. A row without its flag has an arbitrary number.
    """
    whole = pa.types.is_integer(kind)
    if _all_plain(texts, whole):
        try:
            return texts.cast(kind), None
        except pa.ArrowInvalid:  # two dots; its text shows the value
            pass
    pattern = f"^(?:{INTEGER if whole else PLAIN})$"
    good = pc.and_(
        pc.match_substring_regex(texts, pattern),
        pc.less_equal(pc.binary_length(texts), LONGEST),
    )
    numbers = pc.if_else(good, texts, pa.scalar("0")).cast(kind)
    return numbers, good.to_numpy(zero_copy_only=False)


def _all_plain(texts: pa.StringArray, whole: bool) -> bool:
    """Whether every text follows the grammar, but for a second dot, which a cast refuses."""
    offsets = np.frombuffer(texts.buffers()[1], np.int32)
    offsets = offsets[texts.offset : texts.offset + len(texts) + 1]
    sizes = np.diff(offsets)
    if not len(sizes) or sizes.min() < 1 or sizes.max() > LONGEST:
        return False
    content = np.frombuffer(texts.buffers()[2], np.uint8)[: offsets[-1]]
    starts, lasts = offsets[:-1], offsets[1:] - 1
    lead = content[starts]
    minus = lead == _MINUS
    signs = int(np.count_nonzero(minus))
    if signs:
        starts = np.minimum(starts + minus, lasts)
        lead = content[starts]
    used = content[offsets[0] :]
    others = len(used) - int(np.count_nonzero(used - np.uint8(_ZERO) <= 9)) - signs
    if others and (whole or others != np.count_nonzero(used == _DOT)):
        return False
    if others and not (_digits(content[lasts]) and _digits(lead)):
        return False
    if signs and not _digits(lead):
        return False
    zeros = np.flatnonzero((lead == _ZERO) & (starts < lasts))
    return not len(zeros) or bool((content[starts[zeros] + 1] == _DOT).all())


def _digits(characters: Bytes) -> bool:
    return bool((characters - np.uint8(_ZERO) <= 9).all())
