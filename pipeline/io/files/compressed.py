"""Compressed files: a stream of what is inside, read in bounded steps from a given offset.

Offsets count uncompressed bytes. Members and frames that follow each other are one stream. How
much is held in memory depends on what was asked for, not on what a hostile archive unpacks to.
"""

from __future__ import annotations

import io
import os

import pyarrow as pa

from pipeline.errors import SourceError
from pipeline.io.closing import Closing

CODECS = {".gz": "gzip", ".zst": "zstd"}
_STEP = 1 << 20


def codec_of(path: str) -> str | None:
    """Name the codec of a file by its suffix; None: not compressed."""
    return next((codec for end, codec in CODECS.items() if path.endswith(end)), None)


class _FromStart(io.RawIOBase):
    """An open file, read from its beginning with an offset of its own."""

    def __init__(self, handle: int) -> None:
        super().__init__()
        self._handle = handle
        self.offset = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        block = os.pread(self._handle, _STEP if size < 0 else size, self.offset)
        self.offset += len(block)
        return block


class Unpacked(Closing):
    """What is inside one compressed file, read forward."""

    def __init__(self, handle: int, codec: str, path: str) -> None:
        """Read the open file `handle` from its beginning; the caller closes it."""
        self._file = _FromStart(handle)
        self._stream = pa.CompressedInputStream(pa.PythonFile(self._file, mode="r"), codec)
        self._path = path
        self.offset = 0
        """The uncompressed offset of the next byte."""
        self.ended = False

    @property
    def consumed(self) -> int:
        """Compressed bytes taken so far."""
        return self._file.offset

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end or before the damage.

        Raises `SourceError` when the archive is cut short or damaged at the next byte.
        """
        parts: list[bytes] = []
        missing = size
        while missing and not self.ended:
            try:
                part = self._stream.read(min(missing, _STEP))
            except (OSError, pa.ArrowException) as error:
                if parts:
                    break
                raise self._damaged(error) from None
            self.ended = not part
            parts.append(part)
            missing -= len(part)
        self.offset += size - missing
        return b"".join(parts)

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        self._stream.close()
        self._file.close()

    def _damaged(self, error: Exception) -> SourceError:
        short = "truncated" in str(error).lower()
        return SourceError(
            "the archive is cut short" if short else "the archive is damaged",
            where=f"{self._path}, near uncompressed byte {self.offset}",
            why="" if short else "it does not unpack as its name says",
            remedy="Complete lines before that may be in the lake. Write the whole archive into"
            " this same file (cat WHOLE > FILE) or remove it, then run again.",
        )
