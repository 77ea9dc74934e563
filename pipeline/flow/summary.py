"""What a run did: counts in which every message read is accounted for, once.

Counts are taken after a slice is in the lake, all of a slice at once, so a sum of them never
shows half of one; adding them up in any order gives the same sum.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.events.model import CleanBatch, Reason


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
    nulled: Mapping[str, int] = field(default_factory=_none)
    """Values of written rows that were there and became null, by `field.reason`."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.read + other.read,
            self.written + other.written,
            Counter(self.rejected) + Counter(other.rejected),
            Counter(self.dropped) + Counter(other.dropped),
            self.files + other.files,
            Counter(self.nulled) + Counter(other.nulled),
        )

    def as_dict(self) -> dict[str, object]:
        """Return the counts as JSON values, reasons in alphabetical order."""
        return {
            "read": self.read,
            "written": self.written,
            "rejected": dict(sorted(self.rejected.items())),
            "dropped": dict(sorted(self.dropped.items())),
            "nulled": dict(sorted(self.nulled.items())),
            "files": self.files,
        }


def by_field(nulled: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Counts by `field.reason` as counts by field and reason.

    >>> by_field({"status.out_of_range": 2, "rtt_ms.negative": 1})
    {'rtt_ms': {'negative': 1}, 'status': {'out_of_range': 2}}
    """
    found: dict[str, dict[str, int]] = {}
    for name, count in sorted(nulled.items()):
        where, _, why = name.partition(".")
        found.setdefault(where, {})[why] = count
    return found


def tally_of(batch: CleanBatch, files: int) -> Tally:
    """Count a batch that was committed in `files` files."""
    rejected = Counter(batch.rejected.column("reason").to_pylist())
    dropped = {drop.value: count for drop, count in batch.dropped.items() if count}
    nulled = {f"{name}.{why}": count for (name, why), count in batch.nulled.items()}
    return Tally(batch.read, batch.rows.num_rows, rejected, dropped, files, nulled)


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
        """Messages read per second."""
        return self.tally.read / self.seconds if self.seconds > 0 else 0.0

    @property
    def exit_code(self) -> int:
        """130 after an interruption by the user, 1 if everything was rejected, else 0.

        A stop by SIGTERM is a clean end.
        """
        if self.stopped_by == signal.SIGINT:
            return 130
        return 1 if self.all_rejected else 0

    @property
    def all_rejected(self) -> bool:
        """Whether something was read, and every message of it rejected.

        Those ahead of the clock do not count: they stop a run, or somebody has said that they are
        their producer's fault (`--clock-is-right`).
        """
        rejected = self.tally.rejected
        if set(rejected) == {Reason.IN_FUTURE.value}:
            return False
        return 0 < self.tally.read == sum(rejected.values())

    def as_dict(self) -> dict[str, object]:
        """Return the summary as JSON values."""
        return {
            **self.tally.as_dict(),
            "nulled": by_field(self.tally.nulled),
            "seconds": round(self.seconds, 3),
            "events_per_second": round(self.events_per_second),
        }
