"""Where local logs stand, as this process has read them, and after that only what is new.

Loading a table costs time for every file that it has. A commit needs none of them: only positions,
and the version that it comes after. So a table that was loaded is kept as it was, and the entries
written since, by any process, are read one by one. The newest known entry tells by its content,
which holds a random name, whether this still is the same log: if it is gone or different, or an
entry changes the table itself, the whole log is loaded again.

Nothing here ever changes after it was handed out: what was compared is what is committed upon.
An object store is asked for its whole log every time.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from deltalake import DeltaTable

from pipeline.io.delta.entry import parse_entry
from pipeline.io.delta.log_files import LocalLogFiles, entry_name

PLAIN_WRITER = 2
"""The newest protocol in which an entry with nothing but new files needs only its own lines."""


FILES_OF_A_CHECKPOINT = 5_000
"""For every so many files, the interval between checkpoints grows by its initial length."""


class LogState(Protocol):
    """A log as it stood at one version."""

    def version(self) -> int: ...

    def transaction_version(self, app_id: str) -> int | None: ...


@dataclass(frozen=True, slots=True, eq=False)
class KnownLog:
    """A table as it was loaded, and what entries have said since."""

    table: DeltaTable = field(repr=False)
    loaded: int
    """The version of `table`."""
    newest: int
    content: bytes = field(repr=False)
    """The newest entry, by which the log is recognized."""
    since: Mapping[str, int] = field(default_factory=dict, repr=False)
    """Positions of entries after `loaded`."""
    _asked: dict[str, int | None] = field(default_factory=dict, repr=False)

    def version(self) -> int:
        """Return the newest version that was read."""
        return self.newest

    def transaction_version(self, app_id: str) -> int | None:
        """Return what was last committed under an application id up to that version."""
        if app_id in self.since:
            return self.since[app_id]
        if app_id not in self._asked:
            self._asked[app_id] = self.table.transaction_version(app_id)
        return self._asked[app_id]

    @property
    def files(self) -> int:
        """How many files the table had when it was loaded."""
        return len(pa.table(self.table.get_add_actions()))

    @property
    def is_whole(self) -> bool:
        """Whether `table` is the newest version."""
        return self.newest == self.loaded

    def followed(self, files: LocalLogFiles) -> KnownLog | None:
        """Read what was written since; None if the whole log has to be loaded. Raises OSError."""
        if files.read(entry_name(self.newest)) != self.content:
            return None
        newest, content, since = self.newest, self.content, dict[str, int]()
        while (found := files.read(entry_name(newest + 1))) is not None:
            entry = parse_entry(found)
            if entry is None or entry.changes_table:
                return None
            since |= entry.positions
            newest, content = newest + 1, found
        if newest == self.newest:
            return self
        return replace(self, newest=newest, content=content, since={**self.since, **since})


@dataclass(slots=True)
class KnownLogs:
    """What one process knows of the local logs of one lake; shared by its threads."""

    _known: dict[str, KnownLog] = field(default_factory=dict)
    _fitting: dict[str, pa.Schema] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, uri: str, table: DeltaTable) -> None:
        """Keep a table that was just loaded, and that nobody changes from now on."""
        version = table.version()
        content = LocalLogFiles(Path(uri)).read(entry_name(version))
        with self._lock:
            self._fitting.pop(uri, None)
            if content is None:
                self._known.pop(uri, None)
            else:
                self._known[uri] = KnownLog(table, version, version, content)

    def follow(self, uri: str) -> KnownLog | None:
        """Return where the log stands now; None if it has to be loaded."""
        known = self._known.get(uri)
        if known is None:
            return None
        found = known.followed(LocalLogFiles(Path(uri)))
        with self._lock:
            if self._known.get(uri) is known:
                if found is None:
                    del self._known[uri]
                else:
                    self._known[uri] = found
        return found

    def weight(self, uri: str) -> int:
        """How many times rarer checkpoints are than for a small table: they cost for every file."""
        known = self.follow(uri)
        return 1 + (known.files if known else 0) // FILES_OF_A_CHECKPOINT

    def forget(self, uri: str) -> None:
        """Have the log loaded when it is next asked for."""
        with self._lock:
            self._known.pop(uri, None)

    def note_fit(self, uri: str, table: DeltaTable, schema: pa.Schema) -> None:
        """Remember that a table was found to have these columns, and takes plain entries."""
        if table.protocol().min_writer_version <= PLAIN_WRITER:
            self._fitting[uri] = schema

    def fits(self, uri: str, schema: pa.Schema) -> bool:
        """Whether that was found, and no entry has changed the table since."""
        found = self._fitting.get(uri)
        return found is not None and found.equals(schema, check_metadata=True)
