"""Where a table's files lie: a local folder or a prefix of an object store.

Both offer the same few operations on paths relative to the table. A local file is written under
a hidden name, made durable and renamed just before its commit, so that a plain glob of
`event_date=*/*.parquet` does not see it early. An object store has no rename: there a file is
written under its final, unique name, and readers of the log do not see it before its commit.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake.fs import DeltaStorageHandler

from pipeline.io.delta.log_files import LOG_FOLDER
from pipeline.io.disk.locks import make_shared_folder, sync_folder
from pipeline.io.parquet.encoding import open_part
from pipeline.io.parquet.encryption import PLAIN, Encryption, by_label, opened

CREATE_ATTEMPTS = 5
_DAY = re.compile(r"[a-z_]+=(\d{4}-\d\d-\d\d)/")
_GOOGLE_CREDENTIALS = re.compile(r"(google_)?(service_account|application_credentials)", re.I)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in a table's storage, whether or not a commit names it."""

    path: str
    size: int
    modified: float
    """Seconds since 1970, by the store's clock."""


class Storage(Protocol):
    """Files of one table; paths are relative, with `/` between folders."""

    encryption: Encryption
    """How files are opened, and whether new ones are encrypted."""

    def hidden(self, path: str) -> str:
        """Return the name under which `path` is written before its commit."""

    def create(self, path: str) -> IO[bytes] | pa.NativeFile:
        """Open a new file for writing; its folder is made if needed."""

    def settle(self, file: IO[bytes] | pa.NativeFile) -> None:
        """Close a written file and make its content durable."""

    def reveal(self, names: Iterable[tuple[str, str]]) -> None:
        """Rename (hidden, final) pairs and make the names durable."""

    def delete(self, path: str) -> None:
        """Delete a file; one that is already gone is fine."""

    def size(self, path: str) -> int:
        """Return a file's size in bytes."""

    def remove_empty_folder(self, path: str) -> None:
        """Remove a folder if nothing is in it; an object store has none to remove."""

    def clock(self) -> float:
        """Return the store's own time, in seconds since 1970: that of a file written just now."""

    def read(
        self, path: str, columns: list[str] | None = None, where: pc.Expression | None = None
    ) -> pa.Table:
        """Read columns (None: all) of the rows of one Parquet file that satisfy `where`."""

    def open_part(self, path: str) -> pq.ParquetFile:
        """Open one Parquet file to copy rows of it, row group by row group."""

    def dataset(self, paths: Sequence[str], schema: pa.Schema, partition: str) -> pads.Dataset:
        """Return these files as one dataset; a column that a file lacks is null there.

        Plain and encrypted files may be among them. Raises KeyUnavailable.
        """

    def files(self) -> Iterator[StoredFile]:
        """List every file outside the log folder."""


class LocalStorage:
    """A table in a local folder."""

    def __init__(self, root: Path, encryption: Encryption = PLAIN) -> None:
        self.root = root
        self.encryption = encryption

    def hidden(self, path: str) -> str:
        folder, _, name = path.rpartition("/")
        return f"{folder}/.{name}.tmp"

    def create(self, path: str) -> IO[bytes]:
        target = self.root / path
        for _ in range(CREATE_ATTEMPTS):
            make_shared_folder(target.parent)
            # A job that removes empty folders may have come in between.
            with suppress(FileNotFoundError):
                return target.open("xb")
        return target.open("xb")

    def settle(self, file: IO[bytes] | pa.NativeFile) -> None:
        file.flush()
        os.fsync(file.fileno())
        file.close()

    def reveal(self, names: Iterable[tuple[str, str]]) -> None:
        folders = set()
        for hidden, final in names:
            target = self.root / final
            (self.root / hidden).rename(target)
            folders.add(target.parent)
        for folder in folders:
            sync_folder(folder)

    def delete(self, path: str) -> None:
        (self.root / path).unlink(missing_ok=True)

    def size(self, path: str) -> int:
        return (self.root / path).stat().st_size

    def remove_empty_folder(self, path: str) -> None:
        with suppress(OSError):
            (self.root / path).rmdir()

    def clock(self) -> float:
        with tempfile.TemporaryFile(dir=self.root) as probe:
            return os.fstat(probe.fileno()).st_mtime

    def read(
        self, path: str, columns: list[str] | None = None, where: pc.Expression | None = None
    ) -> pa.Table:
        decryption = self.encryption.opening(path)
        with opened(path):
            return _read(str(self.root / path), columns, where, pafs.LocalFileSystem(), decryption)

    def open_part(self, path: str) -> pq.ParquetFile:
        decryption = self.encryption.opening(path)
        with opened(path):
            return open_part(str(self.root / path), pafs.LocalFileSystem(), decryption)

    def dataset(self, paths: Sequence[str], schema: pa.Schema, partition: str) -> pads.Dataset:
        files = pafs.SubTreeFileSystem(str(self.root), pafs.LocalFileSystem())
        return _dataset(paths, schema, partition, files, self.encryption)

    def files(self) -> Iterator[StoredFile]:
        for folder, folders, names in os.walk(self.root):
            if Path(folder) == self.root and LOG_FOLDER in folders:
                folders.remove(LOG_FOLDER)
            for name in names:
                path = Path(folder, name)
                try:
                    seen = path.lstat()
                except FileNotFoundError:
                    continue
                relative = path.relative_to(self.root).as_posix()
                yield StoredFile(relative, seen.st_size, seen.st_mtime)


class ObjectStorage:
    """A table under a prefix of S3, GCS or Azure, reached with delta-rs's own client and options.

    One client for data and log: credentials are configured once and cannot disagree.
    """

    def __init__(self, uri: str, options: dict[str, str], encryption: Encryption = PLAIN) -> None:
        self.encryption = encryption
        self._files = pafs.PyFileSystem(DeltaStorageHandler(uri, options))

    def hidden(self, path: str) -> str:
        return path

    def create(self, path: str) -> pa.NativeFile:
        return self._files.open_output_stream(path)

    def settle(self, file: IO[bytes] | pa.NativeFile) -> None:
        file.close()

    def reveal(self, names: Iterable[tuple[str, str]]) -> None:
        """Do nothing: the files have their final names."""

    def delete(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._files.delete_file(path)

    def size(self, path: str) -> int:
        size: int = self._files.get_file_info(path).size
        return size

    def remove_empty_folder(self, path: str) -> None:
        """Do nothing: an object store has no folders."""

    def clock(self) -> float:
        probe = f".clock-{secrets.token_hex(8)}"
        self.settle(self.create(probe))
        try:
            return (self._files.get_file_info(probe).mtime_ns or 0) / 1e9
        finally:
            self.delete(probe)

    def read(
        self, path: str, columns: list[str] | None = None, where: pc.Expression | None = None
    ) -> pa.Table:
        decryption = self.encryption.opening(path)
        with opened(path):
            return _read(path, columns, where, self._files, decryption)

    def open_part(self, path: str) -> pq.ParquetFile:
        decryption = self.encryption.opening(path)
        with opened(path):
            return open_part(path, self._files, decryption)

    def dataset(self, paths: Sequence[str], schema: pa.Schema, partition: str) -> pads.Dataset:
        return _dataset(paths, schema, partition, self._files, self.encryption)

    def files(self) -> Iterator[StoredFile]:
        everything = pafs.FileSelector("", recursive=True, allow_not_found=True)
        for info in self._files.get_file_info(everything):
            path = info.path.lstrip("/")
            if info.type == pafs.FileType.File and not path.startswith(f"{LOG_FOLDER}/"):
                yield StoredFile(path, info.size, (info.mtime_ns or 0) / 1e9)


class GoogleStorage(ObjectStorage):
    """A table in Google Cloud Storage, whose files carry their day as custom time.

    A rule of the bucket by custom time counts from that day, while one by age starts again
    whenever a job rewrites the file. delta-rs cannot set it, so Arrow's client creates the
    files. It finds Google's default credentials as delta-rs does, and takes no others.
    """

    def __init__(self, uri: str, options: dict[str, str], encryption: Encryption = PLAIN) -> None:
        super().__init__(uri, options, encryption)
        given = {name.lower(): value for name, value in options.items()}
        base = urlsplit(given.get("google_base_url", ""))
        self._root = uri.partition("://")[2].rstrip("/")
        self._uploads = pafs.GcsFileSystem(
            anonymous=given.get("google_skip_signature", "").lower() == "true",
            scheme=base.scheme or None,
            endpoint_override=base.netloc or None,
            retry_time_limit=timedelta(minutes=3),  # as long as delta-rs tries
        )

    def create(self, path: str) -> pa.NativeFile:
        day = _DAY.match(path)
        if day is None:
            return super().create(path)
        metadata = {"customTime": f"{day[1]}T00:00:00Z"}
        return self._uploads.open_output_stream(f"{self._root}/{path}", metadata=metadata)


def _dataset(
    paths: Sequence[str],
    schema: pa.Schema,
    partition: str,
    files: pafs.FileSystem,
    encryption: Encryption,
) -> pads.Dataset:
    folders = pads.partitioning(pa.schema([schema.field(partition)]), flavor="hive")
    parts = []
    for label, group in (by_label(paths) or {None: []}).items():
        key = encryption.opening(group[0]) if label is not None else None
        options = pads.ParquetFragmentScanOptions(decryption_properties=key)
        form = pads.ParquetFileFormat(default_fragment_scan_options=options)
        part = pads.dataset(
            group, schema=schema, format=form, filesystem=files, partitioning=folders
        )
        if label is not None:
            # A wrong key is reported here: a scan of the dataset would get a library's error.
            with opened(group[0]):
                next(iter(part.get_fragments())).ensure_complete_metadata()
        parts.append(part)
    return parts[0] if len(parts) == 1 else pads.dataset(parts)


def _read(
    path: str,
    columns: list[str] | None,
    where: pc.Expression | None,
    files: pafs.FileSystem,
    decryption: pq.FileDecryptionProperties | None,
) -> pa.Table:
    # partitioning=None: the folder's name must not become a column, as it is not in the file.
    return pq.read_table(
        path,
        columns=columns,
        filters=where,
        filesystem=files,
        partitioning=None,
        decryption_properties=decryption,
    )


def storage_at(uri: str, options: dict[str, str], encryption: Encryption = PLAIN) -> Storage:
    """Return the storage of the table at `uri`: an object store if it has a scheme.

    Google's credentials in `options` are for delta-rs alone: then files have no custom time.
    """
    if uri.startswith("gs://") and not any(map(_GOOGLE_CREDENTIALS.match, options)):
        return GoogleStorage(uri, options, encryption)
    if "://" in uri:
        return ObjectStorage(uri, options, encryption)
    return LocalStorage(Path(uri), encryption)
