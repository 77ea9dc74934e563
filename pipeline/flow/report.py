"""What a run did: counts in which every message read is accounted for, once.

Counts are taken after a slice is in the lake, all of a slice at once, so a sum of them never
shows half of one; adding them up in any order gives the same sum.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.events.model import CleanBatch


def _none() -> Mapping[str, int]:
    return {}


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of some committed slices: read = written + rejected + dropped."""

    read: int = 0
    written: int = 0
    rejected: Mapping[str, int] = field(default_factory=_none)
    """By `Reason` value."""
    dropped: Mapping[str, int] = field(default_factory=_none)
    """By `Drop` value."""
    files: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.read + other.read,
            self.written + other.written,
            Counter(self.rejected) + Counter(other.rejected),
            Counter(self.dropped) + Counter(other.dropped),
            self.files + other.files,
        )

    def as_dict(self) -> dict[str, object]:
        """Return the counts as JSON values, reasons in alphabetical order."""
        return {
            "read": self.read,
            "written": self.written,
            "rejected": dict(sorted(self.rejected.items())),
            "dropped": dict(sorted(self.dropped.items())),
            "files": self.files,
        }


def tally_of(batch: CleanBatch, files: int) -> Tally:
    """Count a batch that was committed in `files` files."""
    rejected = Counter(batch.rejected.column("reason").to_pylist())
    dropped = {drop.value: count for drop, count in batch.dropped.items() if count}
    return Tally(batch.read, batch.rows.num_rows, rejected, dropped, files)


@dataclass(frozen=True, slots=True)
class Summary:
    """The account of a whole run."""

    tally: Tally
    seconds: float
    """From the start of the workers to the last commit or the end of the run."""
    conflicts: int | None = 0
    """Slices that another writer had committed first; they were read again from the lake."""
    restarts: int | None = 0
    """Workers that died and were started again."""
    unread_bytes: int | None = 0
    """Bytes at the ends of files that are no complete line, and stay unread until they are.

    Like the two before it, None where the workers are another runner's and cannot be asked.
    """
    stopped_by: int | None = None
    """The signal that ended the run; None if it came to its end."""

    @property
    def events_per_second(self) -> float:
        """Messages read in a second."""
        return self.tally.read / self.seconds if self.seconds > 0 else 0.0

    @property
    def exit_code(self) -> int:
        """130 after an interruption by the user, else 0: a stop by SIGTERM is a clean end."""
        return 130 if self.stopped_by == signal.SIGINT else 0

    def as_dict(self) -> dict[str, object]:
        """Return the summary as JSON values."""
        return {
            **self.tally.as_dict(),
            "seconds": round(self.seconds, 3),
            "events_per_second": round(self.events_per_second),
        }
