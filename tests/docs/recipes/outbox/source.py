"""An outbox table in SQLite: `outbox(id INTEGER PRIMARY KEY, body BLOB)`, read in the order of ids.

Unit of parallelism: the table. Delivery: exactly-once, by the position in the lake's log, which is
the next id. Replay: nothing is doubled, as long as ids are never given again.
"""

# `setting` returns a dataclass field, which is what a default may be.

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pipeline.errors import EnvironmentProblem
from pipeline.io.source_kind import Around, Flag, NamesInLog, SourceKind
from pipeline.settings.values import setting, text

if TYPE_CHECKING:
    from pipeline.events.model import Slice, Span
    from pipeline.io.source import Clock, Pace, Positions, Shard


@dataclass(frozen=True, slots=True)
class OutboxSourceSettings(SourceKind):
    """A source that is an outbox table."""

    WHAT: ClassVar[str] = "an outbox"
    EXAMPLE: ClassVar[str] = 'outbox = "app.db"'
    NEEDS: ClassVar[tuple[str, ...]] = ("outbox",)
    NAMES: ClassVar[Mapping[str, NamesInLog]] = {"outbox": NamesInLog("outbox/[0-9a-f]{16}/0")}
    FLAGS: ClassVar[tuple[Flag, ...]] = (
        Flag("--outbox", "outbox", "SQLite file with a table outbox.", metavar="FILE"),
    )
    FLAGGED: ClassVar[str] = "outbox"
    FLAGS_SAY: ClassVar[tuple[str, str]] = ("an outbox", "--outbox FILE")
    FOLDERS: ClassVar[tuple[str, ...]] = ("outbox",)

    outbox: str = setting("", text, "SQLite file with a table `outbox(id, body)`.")

    def make(self, around: Around) -> OutboxSource:
        """See `SourceKind.make`."""
        return OutboxSource(around.name, around.event, self.outbox)

    def look(self) -> str:
        """See `SourceKind.look`."""
        if not Path(self.outbox).is_file():
            raise EnvironmentProblem("There is no outbox", where=self.outbox)
        return "1 outbox"


@dataclass(frozen=True, slots=True)
class OutboxSource:
    """One table; picklable, nothing open."""

    name: str
    event: str
    path: str

    def shards(self, workers: int) -> Sequence[Shard]:
        """Return the only one."""
        from pipeline.io.source import Shard

        del workers
        return [Shard(self.name, 0, 1)]

    def open(self, shard: Shard, positions: Positions, pace: Pace, clock: Clock) -> OutboxReader:
        """Open the reader."""
        del shard, clock
        return OutboxReader(self, positions, pace)


class OutboxReader:
    """Cuts slices of ids that follow each other; see `pipeline.io.source.Reader`."""

    def __init__(self, source: OutboxSource, positions: Positions, pace: Pace) -> None:
        self._source = source
        self._positions = positions
        self._most = max(1, pace.slice_bytes // 4096)
        self._database = sqlite3.connect(source.path)
        self._position: int | None = None
        path = Path(source.path).resolve()
        self._id = hashlib.sha256(bytes(path)).hexdigest()[:16]

    def poll(self, wait: float) -> Slice | None:
        """See `Reader.poll`."""
        import numpy as np

        from pipeline.events.model import Slice, Span

        del wait
        rows = self._rows("SELECT id, body FROM outbox WHERE id >= ? ORDER BY id LIMIT ?")
        if not rows:
            return None
        ends = np.cumsum([len(body) for _, body in rows], dtype=np.int64)
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
        span = Span("outbox", self._id, 0, self._start(), rows[-1][0] + 1)
        offsets = np.array([number for number, _ in rows], dtype=np.int64)
        data = b"".join(body for _, body in rows)
        return Slice(span, self._source.event, data, starts, ends, offsets)

    def committed(self, span: Span) -> None:
        """See `Reader.committed`."""
        self._position = span.stop

    def forget(self) -> None:
        """See `Reader.forget`."""
        self._position = None

    def flush(self) -> None:
        """See `Reader.flush`: everything is always due."""

    def at_end(self) -> bool:
        """See `Reader.at_end`."""
        return self.lag() == 0

    def lag(self) -> int:
        """Count the messages that are not in the lake."""
        return len(self._rows("SELECT id FROM outbox WHERE id >= ? LIMIT ?"))

    def is_known(self) -> bool:
        """See `Reader.is_known`."""
        return self._start() > 0

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _start(self) -> int:
        if self._position is None:
            (position,) = self._positions([f"outbox/{self._id}/0"])
            self._position = position or 0
        return self._position

    def _rows(self, query: str) -> list[tuple[int, bytes]]:
        with closing(self._database.execute(query, (self._start(), self._most))) as found:
            return list(found)
