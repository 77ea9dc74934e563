"""The line in a file that says how the lines after it are to be read: `#Fields:` of a W3C log.

A slice begins anywhere in a file, so it carries the last such line before it. Only formats that
have such lines ask for one.
"""

from __future__ import annotations

from collections.abc import Iterable

MOST_BYTES = 64 * 1024
"""Only the beginning of a longer line is taken; no header is that long."""


def last_line(blocks: Iterable[bytes], prefix: bytes) -> bytes | None:
    """Return the last complete line of a text that begins with `prefix`, None without one.

    `blocks` are the text's pieces in their order; memory does not grow with it.
    """
    found: bytes | None = None
    rest = b"\n"
    mark = b"\n" + prefix
    for block in blocks:
        text = rest + block
        at = text.rfind(mark)
        while at >= 0:
            end = text.find(b"\n", at + 1)
            if end >= 0:
                found = text[at + 1 : end][:MOST_BYTES]
                break
            at = text.rfind(mark, 0, at)
        feed = text.rfind(b"\n")
        rest = text[feed:][: MOST_BYTES + 1]
    return found
