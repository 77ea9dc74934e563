"""Rows on disk, in numbered portions: written a batch at a time, read back once.

The files are Arrow streams, compressed; they lie in the private folder of `spill`. A dictionary
is written with each batch, so a portion needs the memory of its batches and no more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from pipeline.io.disk.errors import state_faults
from pipeline.io.disk.locks import PRIVATE_FILE

_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


class SpilledRows:
    """Portions of rows below a folder; closing it removes them."""

    def __init__(self, folder: Path, schema: pa.Schema, count: int) -> None:
        self._folder, self._schema = folder, schema
        self._paths = [folder / f"{number:05}.arrows" for number in range(count)]
        self._writers: list[pa.RecordBatchStreamWriter] = []
        self._open = ExitStack()

    def __enter__(self) -> SpilledRows:
        with self._faults():
            for path in self._paths:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                sink = pa.PythonFile(os.fdopen(os.open(path, flags, PRIVATE_FILE), "wb"), "w")
                self._open.callback(sink.close)
                writer = pa.ipc.new_stream(sink, self._schema, options=_OPTIONS)
                self._open.callback(writer.close)
                self._writers.append(writer)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.finish()
        finally:
            for path in self._paths:
                path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._paths)

    def write(self, portion: int, rows: pa.Table) -> None:
        """Append rows to a portion. Raises EnvironmentProblem."""
        with self._faults():
            self._writers[portion].write_table(rows)

    def finish(self) -> None:
        """Write what is left; nothing can be appended any more. Raises EnvironmentProblem."""
        with self._faults():
            self._open.close()

    def take(self, portion: int) -> list[pa.RecordBatch]:
        """Return the batches of a portion, and delete its file. Raises EnvironmentProblem."""
        path = self._paths[portion]
        with self._faults(), pa.OSFile(str(path)) as source, pa.ipc.open_stream(source) as reader:
            batches = list(reader)
        path.unlink()
        return batches

    @contextmanager
    def _faults(self) -> Iterator[None]:
        with state_faults("Rows could not be spilled", str(self._folder)):
            yield
