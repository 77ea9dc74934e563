"""The first messages of files, for a look at what they are. No position is kept or moved."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.io.files.open_file import open_content
from pipeline.io.files.paths import find_inputs, require_inputs

_LIMIT = 4 << 20
"""Bytes that are looked at of one file."""


def first_messages(paths: Sequence[str], count: int) -> list[bytes]:
    """Return at most `count` messages, as many from the beginning of each file.

    Raises `EnvironmentProblem` for a path that names nothing or cannot be read.
    """
    require_inputs(paths)
    found: list[bytes] = []
    inputs = find_inputs(paths)
    for left, (place, (path, _)) in zip(range(len(inputs), 0, -1), inputs.items(), strict=True):
        share = -(-(count - len(found)) // left)
        content = open_content(path, place)
        if content is None:
            continue
        try:
            cut = content.cut(0, _LIMIT, to_end=True)
        finally:
            content.close()
        if cut is not None:
            bounds = zip(cut.lines.starts[:share], cut.lines.ends[:share], strict=True)
            found += [bytes(cut.data[start:stop]) for start, stop in bounds]
    return found
