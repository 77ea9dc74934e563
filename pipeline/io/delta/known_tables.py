"""Which tables of a lake are known to exist, remembered outside the lake.

A lake that was removed, or whose disk is not mounted, looks like one that never existed: the
next process would begin it again, and store a second time whatever the source still has. So a
process that creates or meets a table leaves a note in the state folder, an empty file. A table that
is noted but not there is an error until it is restored, or until somebody says that this is
intended (`telemetry keys adopt`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import TableGone
from pipeline.io.disk.errors import state_faults
from pipeline.io.disk.locks import make_private_folder, sync_folder
from pipeline.io.disk.private import write_private
from pipeline.io.state_folder import table_note

WHAT = "The notes of tables in the state folder could not be used"


@dataclass(frozen=True, slots=True)
class KnownTables:
    """The notes on the lake at `root`, in one folder; any number of processes may add to them."""

    folder: Path
    root: str
    _noted: set[str] = field(default_factory=set, repr=False)

    def note(self, uri: str) -> None:
        """Remember that the table at `uri` exists; durable when this returns.

        Raises EnvironmentProblem.
        """
        if uri in self._noted:
            return
        path = self._path(uri)
        with state_faults(WHAT, str(self.folder)):
            if not path.exists():
                make_private_folder(self.folder)
                write_private(path, b"")
        self._noted.add(uri)

    def require_unknown(self, uri: str) -> None:
        """Raise TableGone if the table at `uri`, which is not there, was noted."""
        with state_faults(WHAT, str(self.folder)):
            noted = self._path(uri).exists()
        if noted:
            raise TableGone(
                "A table that was there is not in the lake any more",
                where=uri,
                why="it was removed or replaced, or its disk is not mounted",
                remedy="Nothing was begun in its place. Stop every pipeline on this lake, restore "
                "or mount it, then run again. If it was removed on purpose: telemetry keys adopt.",
            )

    def tables(self) -> tuple[str, ...]:
        """Return the paths in the lake of the tables that were noted, in alphabetical order."""
        before, _, after = table_note(self.root, "*").partition("*")
        with state_faults(WHAT, str(self.folder)):
            names = [path.name for path in self.folder.glob(f"{before}*{after}")]
        found = (name.removeprefix(before).removesuffix(after) for name in names)
        return tuple(sorted(name.replace(".", "/") for name in found))

    def forget(self, path: str) -> None:
        """Forget the table at a path in the lake: it is gone on purpose."""
        with state_faults(WHAT, str(self.folder)):
            (self.folder / table_note(self.root, path)).unlink(missing_ok=True)
            sync_folder(self.folder)
        self._noted.discard(f"{self.root}/{path}")

    def _path(self, uri: str) -> Path:
        return self.folder / table_note(self.root, uri.removeprefix(f"{self.root}/"))
