"""The restriction of a shard that never ends by itself, and its tracker.

The position is in the lake's log, so a restriction says only whether there is a turn to take. It
is a class and not a number or a tuple, because Beam drops a residual that is falsy, and with it
the shard, without an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from apache_beam import coders
from apache_beam.io.iobase import RestrictionProgress, RestrictionTracker
from apache_beam.transforms.core import RestrictionProvider

from pipeline.io.source import Shard


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns at reading a shard that are still to be taken: all, or none."""

    left: bool = True


class Claim(Enum):
    """What Read claims."""

    SLICE = "slice"
    """One more slice."""
    END = "end"
    """That there is nothing more to read, ever."""


class TurnsTracker(RestrictionTracker):
    """Grants slices until the end is claimed or the rest is split off; splits only at 0.

    Beam wraps it in a lock. A split may come from another thread at any time, even before
    anything was claimed; the reading thread sees it at the next claim.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def current_restriction(self) -> Turns:
        return self._turns

    def try_claim(self, position: Claim) -> bool:
        if not self._turns.left:
            return False
        if position is Claim.END:
            self._turns = Turns(left=False)
        return True

    def try_split(self, fraction_of_remainder: float) -> tuple[Turns, Turns] | None:
        if fraction_of_remainder != 0 or not self._turns.left:
            return None
        self._turns = Turns(left=False)
        return self._turns, Turns()

    def check_done(self) -> bool:
        if self._turns.left:
            raise ValueError("Read returned with turns left, and deferred nothing")
        return True

    def current_progress(self) -> RestrictionProgress:
        return RestrictionProgress(completed=0, remaining=1 if self._turns.left else 0)

    def is_bounded(self) -> bool:
        return False


class TurnsCoder(coders.Coder):
    """A restriction as one byte."""

    def encode(self, value: Turns) -> bytes:
        return b"1" if value.left else b"0"

    def decode(self, encoded: bytes) -> Turns:
        return Turns(left=encoded == b"1")

    def is_deterministic(self) -> bool:
        return True


class TurnsProvider(RestrictionProvider):
    """Gives each shard its turns; a drain takes them away, and what is committed stays."""

    def initial_restriction(self, element: Shard) -> Turns:  # noqa: ARG002
        return Turns()

    def create_tracker(self, restriction: Turns) -> TurnsTracker:
        return TurnsTracker(restriction)

    def restriction_size(self, element: Shard, restriction: Turns) -> int:  # noqa: ARG002
        return int(restriction.left)

    def restriction_coder(self) -> TurnsCoder:
        return TurnsCoder()

    def truncate(self, element: Shard, restriction: Turns) -> Turns | None:  # noqa: ARG002
        return None
