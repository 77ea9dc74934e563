"""All bytes and names below a folder or a bucket's prefix, to prove what is not there.

Compressed data hides what it holds, so a Parquet file is yielded four times: as it is on disk
(footer, statistics, Bloom filters), its metadata as text, its columns decompressed, and its
dictionaries.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import EnvironmentProblem
from pipeline.io.disk.errors import environment_problem, state_faults
from pipeline.io.parquet.encryption import PLAIN, Encryption, opened
from pipeline.io.tree import EntryKind, LocalTree, Tree


@dataclass(frozen=True, slots=True, repr=False)
class Content:
    """Some bytes of a file."""

    place: str
    """Path below the folder, and which part of the file."""
    data: bytes
    first: bool
    """Whether this is the first content of its file; for counting files."""


def read_contents(folder: Path, encryption: Encryption = PLAIN) -> Iterator[Content]:
    """Yield what `tree_contents` yields for a folder on this machine."""
    return tree_contents(LocalTree(folder), encryption)


def tree_contents(tree: Tree, encryption: Encryption = PLAIN) -> Iterator[Content]:
    """Yield every file of a folder or bucket, hidden ones too, and what compressed ones hold.

    A file's path is content as well: its first content begins with it. Links are not
    followed, and files that vanish meanwhile are skipped. One file and one row group are in
    memory at a time. Raises EnvironmentProblem for a file that cannot be read, and KeyUnavailable
    for an encrypted one that cannot be decrypted.
    """
    for entry in tree.entries():
        place = entry.path
        if entry.kind is EntryKind.LINK:
            yield Content(place, place.encode(), True)
        if entry.kind is not EntryKind.FILE:
            continue
        try:
            with tree.open(place) as source:
                data = source.read()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise environment_problem(error, "a file cannot be read", place) or (
                EnvironmentProblem("a file cannot be read", where=place)
            ) from None
        yield Content(place, place.encode() + b"\n" + data, True)
        if place.endswith(".gz"):
            yield Content(f"{place} (unpacked)", gzip.decompress(data), False)
        if place.endswith(".parquet"):
            yield from _parquet(place, data, encryption)


def _parquet(place: str, data: bytes, encryption: Encryption) -> Iterator[Content]:
    decryption = encryption.opening(place)
    with opened(place):
        file = pq.ParquetFile(pa.BufferReader(data), decryption_properties=decryption)
    yield Content(f"{place} (footer)", repr(file.metadata.to_dict()).encode(), False)
    for number in range(file.num_row_groups):
        for column in file.read_row_group(number).columns:
            for chunk in column.chunks:
                yield from _buffers(f"{place} (columns)", chunk)
    # A dictionary page may hold values that no row has: they show only before decoding.
    text = [field.name for field in file.schema_arrow if pa.types.is_string(field.type)]
    coded = pq.ParquetFile(
        pa.BufferReader(data), read_dictionary=text, decryption_properties=decryption
    )
    for number in range(coded.num_row_groups):
        for column in coded.read_row_group(number, text).columns:
            for chunk in column.chunks:
                yield from _buffers(f"{place} (dictionaries)", chunk.dictionary)


def _buffers(place: str, values: pa.Array) -> Iterator[Content]:
    for buffer in values.buffers():
        if buffer is not None:
            yield Content(place, buffer.to_pybytes(), False)


def texts_below(folder: Path, suffix: str) -> Iterator[tuple[str, str]]:
    """Yield (relative path, text) of every file with this suffix below a folder."""
    with state_faults("A file could not be read", str(folder)):
        for path in sorted(folder.rglob(f"*{suffix}")):
            if path.is_file():
                yield str(path.relative_to(folder)), path.read_text("utf-8")
