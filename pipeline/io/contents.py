"""Everything that lies below a folder, as bytes: for whoever has to prove what is not there.

Compressed data hides what it holds, so a Parquet file is yielded four times: as it lies on disk
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
from pipeline.io.encryption import PLAIN, Encryption, opened
from pipeline.io.faults import environment_problem


@dataclass(frozen=True, slots=True, repr=False)
class Content:
    """Some bytes of a file."""

    place: str
    """Path below the folder, and which part of the file."""
    data: bytes
    first: bool
    """Whether this is the first content of its file; for counting files."""


def read_contents(folder: Path, encryption: Encryption = PLAIN) -> Iterator[Content]:
    """Yield every file below `folder`, hidden ones too, and what compressed ones hold.

    The path of a file is content as well: its first content begins with it. Files that vanish
    meanwhile are passed over. Raises EnvironmentProblem for a file that cannot be read, and
    KeyUnavailable for an encrypted one that cannot be decrypted.
    """
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        place = str(path.relative_to(folder))
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise environment_problem(error, "a file cannot be read", str(path)) or (
                EnvironmentProblem("a file cannot be read", where=str(path))
            ) from None
        yield Content(place, place.encode() + b"\n" + data, True)
        if path.suffix == ".gz":
            yield Content(f"{place} (unpacked)", gzip.decompress(data), False)
        if path.suffix == ".parquet":
            yield from _parquet(place, data, encryption)


def _parquet(place: str, data: bytes, encryption: Encryption) -> Iterator[Content]:
    decryption = encryption.opening(place)
    with opened(place):
        file = pq.ParquetFile(pa.BufferReader(data), decryption_properties=decryption)
    yield Content(f"{place} (footer)", repr(file.metadata.to_dict()).encode(), False)
    for column in file.read().columns:
        for chunk in column.chunks:
            yield from _buffers(f"{place} (columns)", chunk)
    # A dictionary page may hold values that no row has: they are seen only undecoded.
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
