"""The first messages of files, for a look at what they are. No position is kept or moved."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import SourceError
from pipeline.io.files.open_file import open_content
from pipeline.io.files.paths import find_inputs, require_inputs

_LIMIT = 4 << 20
"""How many bytes of one file are looked at."""


def first_messages(paths: Sequence[str], count: int) -> list[bytes]:
    """Return at most `count` messages, equally many from the beginning of each file.

    Raises `EnvironmentProblem` for a path that names nothing or cannot be read, `SourceError` if
    there is nothing but damaged archives.
    """
    require_inputs(paths)
    found: list[bytes] = []
    damage: SourceError | None = None
    inputs = find_inputs(paths)
    for left, (place, (path, _)) in zip(range(len(inputs), 0, -1), inputs.items(), strict=True):
        share = -(-(count - len(found)) // left)
        content = open_content(path, place)
        if content is None:
            continue
        try:
            cut = content.cut(0, _LIMIT, to_end=True)
        except SourceError as problem:
            damage = problem
            continue
        finally:
            content.close()
        if cut is not None:
            bounds = zip(cut.lines.starts[:share], cut.lines.ends[:share], strict=True)
            found += [bytes(cut.data[start:stop]) for start, stop in bounds]
    if damage is not None and not found:
        damage.remedy = "Name a file that is whole: nothing of this one could be looked at."
        raise damage
    return found
