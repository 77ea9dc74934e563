"""Tables as their logs once stood, for a job that only reads.

Loading a table reads its whole log. An audit asks the same tables dozens of times, and wants
answers as of one moment; a writer must not hold a table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from deltalake import DeltaTable


@dataclass(slots=True)
class HeldTables:
    """What was loaded, by address; None for a table that does not exist."""

    tables: dict[str, DeltaTable | None] = field(default_factory=dict)

    def get(self, uri: str, load: Callable[[], DeltaTable | None]) -> DeltaTable | None:
        """Return the table as it was first loaded."""
        if uri not in self.tables:
            self.tables[uri] = load()
        return self.tables[uri]

    def forget(self, uri: str | None = None) -> None:
        """Reload one table, or every one, when it is next asked for."""
        if uri is None:
            self.tables.clear()
        else:
            self.tables.pop(uri, None)
