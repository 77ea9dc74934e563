"""Where publications lie: `<lake>/rollups/<metric>/<metric>.parquet` and `rollups/manifest.json`.

Any Parquet reader can read `rollups/*/*.parquet`; all files have the same columns. Files are
replaced whole: on a local disk by renaming a finished file, in an object store by one upload.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake.fs import DeltaStorageHandler

from pipeline.errors import EnvironmentProblem, LakeError, PrivacyGateClosed
from pipeline.io.delta.errors import lake_faults
from pipeline.io.disk.atomic import write_file
from pipeline.io.disk.locks import make_shared_folder
from pipeline.parsing import parse_json

FOLDER = "rollups"
MANIFEST = "manifest.json"

FORMAT = 2
"""The format of manifest and files; 0.1 wrote 1, whose figures are not perturbed."""


def require_format(manifest: Mapping[str, object], where: str) -> None:
    """Refuse publications of another format; an empty manifest is a lake without any."""
    if manifest and manifest.get("version") != FORMAT:
        raise PrivacyGateClosed(
            "The publications were made by another version, without perturbation",
            where=where,
            why="exact figures beside perturbed ones would undo the perturbation",
            remedy="Run `telemetry rollup --regenerate`: it replaces them from the rows that the "
            "lake still holds, and removes the figures of days whose rows are gone.",
        )


class RollupStore:
    """The folder of publications below a lake's root (a path, or `s3://`, `gs://`, `az://`)."""

    def __init__(self, root: str, options: Mapping[str, str] | None = None) -> None:
        self.uri = f"{root.rstrip('/')}/{FOLDER}"
        self._local = None if "://" in self.uri else Path(self.uri)
        self._files: pafs.FileSystem = (
            pafs.SubTreeFileSystem(self.uri, pafs.LocalFileSystem())
            if self._local
            else pafs.PyFileSystem(DeltaStorageHandler(self.uri, dict(options or {})))
        )

    def read(self, metric: str, schema: pa.Schema) -> pa.Table:
        """What is published for a metric; no rows if nothing is. Raises LakeError."""
        path = f"{metric}/{metric}.parquet"
        try:
            if self._files.get_file_info(path).type == pafs.FileType.NotFound:
                return schema.empty_table()
            table = pq.read_table(path, filesystem=self._files, partitioning=None)
            if not table.num_columns:
                return schema.empty_table()
            return table.select(schema.names).cast(schema)
        except (OSError, pa.ArrowException, KeyError) as error:
            raise self._unreadable(path, error) from None

    def published(self) -> list[str]:
        """Name the metrics that have a folder, whether or not the registry knows them."""
        selector = pafs.FileSelector("", allow_not_found=True)
        try:
            found = self._files.get_file_info(selector)
        except OSError as error:
            raise self._unreadable("", error) from None
        return sorted(info.base_name for info in found if info.type == pafs.FileType.Directory)

    def columns(self, metric: str) -> list[str]:
        """Name the columns that a metric's file really has; none if there is no file."""
        path = f"{metric}/{metric}.parquet"
        try:
            return list(pq.read_schema(path, filesystem=self._files).names)
        except FileNotFoundError:
            return []
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(path, error) from None

    def write(self, metric: str, table: pa.Table, words: Mapping[str, str]) -> None:
        """Replace a metric's file; `words` (its definition) go into the file's metadata."""
        kept = table.replace_schema_metadata({f"metric.{key}": text for key, text in words.items()})
        sink = pa.BufferOutputStream()
        pq.write_table(kept, sink, compression="zstd", version="2.6", write_statistics=True)
        self._replace(f"{metric}/{metric}.parquet", sink.getvalue().to_pybytes())

    def clear(self, known: Container[str]) -> list[str]:
        """Empty every publication, then the manifest; returns the metrics' names.

        The file of a metric that is no longer `known` goes with its folder.
        """
        names = self.published()
        for name in names:
            self._replace(f"{name}/{name}.parquet", _empty_file())
        self._replace(MANIFEST, b"{}\n")
        for name in names:
            if name not in known:
                self._remove(name)
        return names

    def _remove(self, metric: str) -> None:
        """Remove a metric's file, and its folder if nothing else is in it."""
        with lake_faults("A retired publication could not be removed", f"{self.uri}/{metric}"):
            self._files.delete_file(f"{metric}/{metric}.parquet")
            folder = None if self._local is None else self._local / metric
            if folder is not None and not any(folder.iterdir()):
                folder.rmdir()

    def manifest(self) -> dict[str, object]:
        """The manifest of the last run; empty before the first. Raises LakeError."""
        try:
            if self._files.get_file_info(MANIFEST).type == pafs.FileType.NotFound:
                return {}
            with self._files.open_input_file(MANIFEST) as file:
                document: dict[str, object] = parse_json(file.read())
                return document
        except (OSError, ValueError, pa.ArrowException) as error:
            raise self._unreadable(MANIFEST, error) from None

    def write_manifest(self, manifest: Mapping[str, object]) -> None:
        """Replace the manifest, last of all: by then all that it names is there."""
        text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
        self._replace(MANIFEST, text.encode() + b"\n")

    def stamp(self) -> tuple[int, int]:
        """Something that changes whenever a run has finished: the manifest's time and size."""
        info = self._files.get_file_info(MANIFEST)
        return (info.mtime_ns or 0, info.size or 0)

    def _replace(self, path: str, content: bytes) -> None:
        try:
            if self._local is None:
                # Buffered whole: what Arrow does not buffer it passes on as a buffer of its own,
                # and delta-rs accepts only bytes.
                size = len(content) + 1
                with self._files.open_output_stream(path, buffer_size=size) as stream:
                    stream.write(content)
                return
            with lake_faults("The folder of publications could not be made", str(self._local)):
                make_shared_folder((self._local / path).parent)
            write_file(self._local / path, [content])
        except (OSError, pa.ArrowException, EnvironmentProblem) as error:
            if self._holds(path, content):
                return  # the store has written it; only its answer was lost
            raise LakeError(
                "A publication could not be written",
                where=f"{self.uri}/{path}",
                why=type(error).__name__,
                remedy="The old one or the new one is there, whole. Check space and permissions, "
                "then run the rollup again.",
            ) from None

    def _holds(self, path: str, content: bytes) -> bool:
        """Whether a file has exactly this content, as far as that can be known."""
        try:
            with self._files.open_input_file(path) as file:
                return bool(file.read() == content)
        except (OSError, pa.ArrowException):
            return False

    def _unreadable(self, path: str, error: BaseException) -> LakeError:
        return LakeError(
            "A publication could not be read",
            where=f"{self.uri}/{path}",
            why=type(error).__name__,
            remedy="Restore the file. Removing it would publish frozen windows again.",
        )


def _empty_file() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({}), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content
