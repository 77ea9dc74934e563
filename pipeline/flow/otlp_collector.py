"""Where an OpenTelemetry collector is, and what it is told: the steps of a slice's way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Collector:
    """Where a collector listens, such as `http://localhost:4318`."""

    endpoint: str
    interval_seconds: float = 15.0
    authorization: Callable[[], str] | None = field(default=None, repr=False)
    """Gives the header of that name; a secret, looked up where it is needed."""

    def url(self, signal: str) -> str:
        """Return the address of a signal: `metrics` or `traces`."""
        return f"{self.endpoint.rstrip('/')}/v1/{signal}"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a slice's way, in nanoseconds since 1970."""

    name: str
    begin: int
    end: int
    failed: bool = False
