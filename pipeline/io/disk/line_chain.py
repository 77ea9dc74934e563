"""Lines and the hash chained over them, read in blocks so that a long file fits into memory.

The hash of a line is the SHA-256 of the hash before it and the line, so the last one vouches for
all lines and their order, and can be continued from any line whose hash is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import BinaryIO

from pipeline import native

NO_LINES = bytes(32)
"""The chained hash of no lines."""
BLOCK = 4 * 1024 * 1024
"""How many bytes of a file to hold at a time."""


def chained(chain: bytes, lines: Iterable[bytes]) -> bytes:
    """Return the hash chained over further lines.

    >>> chained(chained(NO_LINES, [b"a"]), [b"b"]) == chained(NO_LINES, [b"a", b"b"])
    True
    """
    for line in lines:
        chain = sha256(chain + line).digest()
    return chain


def whole_lines(content: bytes) -> list[bytes]:
    """Return the lines that end with a line feed, without it; a torn tail is left out.

    >>> whole_lines(b"a\\n\\nb\\ntorn")
    [b'a', b'', b'b']
    """
    return content.split(b"\n")[:-1]


def size_of(lines: Iterable[bytes]) -> int:
    """Return how many bytes these lines take with their line feeds."""
    return sum(len(line) + 1 for line in lines)


def blocks_of(file: BinaryIO, block: int = BLOCK) -> Iterator[bytes]:
    """Yield what is left of a file in blocks of whole lines; a torn tail is left out.

    >>> from io import BytesIO
    >>> list(blocks_of(BytesIO(b"a\\nbc\\ndef\\ntorn"), 4))
    [b'a\\n', b'bc\\n', b'def\\n']
    """
    rest = b""
    while content := file.read(block):
        content = rest + content
        end = content.rfind(b"\n") + 1
        rest = content[end:]
        if end:
            yield content[:end]


class Fold:
    """Chains the hash over blocks of whole lines, and sees whether it meets a wanted state."""

    def __init__(self, size: int, chain: bytes, wanted: Sequence[tuple[int, bytes]]) -> None:
        """Begin after `size` bytes of lines whose hash is `chain`.

        `wanted` are sizes and hashes of which one has to be met. What lies before the beginning
        was compared when it was read, so an earlier one is met.
        """
        self.size, self.chain = size, chain
        self._wanted = frozenset(wanted)
        self._kernel = native.kernel()
        self.lines = 0
        self.met = any(at < size for at, _ in wanted) or (size, chain) in self._wanted

    def add(self, block: bytes) -> None:
        """Go on over the lines of a block, each with its line feed."""
        begin, view = 0, memoryview(block)
        for stop in sorted({at - self.size for at, _ in self._wanted} | {len(block)}):
            # A wanted state inside of a line is none: the hash is known between lines only.
            if begin < stop <= len(block) and view[stop - 1] == 0x0A:
                self.chain = self._chained(view[begin:stop])
                begin = stop
                self.met = self.met or (self.size + stop, self.chain) in self._wanted
        self.size += len(block)
        self.lines += block.count(b"\n")

    def _chained(self, lines: memoryview) -> bytes:
        if self._kernel is None:
            return chained(self.chain, whole_lines(bytes(lines)))
        return bytes(self._kernel.chain_lines(self.chain, lines))
