"""One demo: its settings, clock and size, and what a step of it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.commands.generate import load_profile
from pipeline.cli.demo.arrivals import taken_in_on
from pipeline.cli.frame.options import Invocation

if TYPE_CHECKING:
    from pipeline.demo.world import World

SHARES = {"session": 0.08, "feature_use": 0.14, "error_log": 0.08}
"""Share of the demo's events by kind; the rest are API requests."""


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo: its settings and clock, where it is, and what it consists of."""

    call: Invocation
    folder: Path
    days: int
    events: int
    seed: int
    open_result: bool = False

    @property
    def inputs(self) -> Path:
        """Where the raw events are."""
        return self.folder / "input"

    @property
    def begin(self) -> datetime:
        """When the demo's traffic begins."""
        return self.call.now() - timedelta(days=self.days)

    def taken_in_on(self, day: date) -> date:
        """The day on which lines of a day go through the pipeline."""
        return taken_in_on(day, self.begin.date(), self.call.now().date())

    def counts(self) -> dict[str, int]:
        """How many events there are of each kind."""
        others = {event: round(self.events * share) for event, share in SHARES.items()}
        return {"api_request": self.events - sum(others.values()), **others}

    def world(self) -> World:
        """The accounts and sessions of the demo; the same each time."""
        from pipeline.demo.world import World

        end = self.call.now()
        return World(
            load_profile(),
            seed=self.seed,
            begin=self.begin,
            end=end,
            sessions=self.counts()["session"],
        )


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step found, as JSON values and as a way to print it."""

    document: object
    show: Callable[[], None]
