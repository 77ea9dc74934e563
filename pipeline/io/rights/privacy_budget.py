"""The privacy budget that releases have spent, day by day: `<state>/releases.ndjson`.

A day's budget is written down, durably, before any noise is drawn. A release that is
stopped afterwards has spent it: a second draw would average the noise away, so nothing is refunded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

from pipeline.errors import EnvironmentProblem
from pipeline.io.disk.append_log import AppendFile, Register
from pipeline.io.disk.list_marker import FileGone
from pipeline.parsing import parse_json


class ReleaseLedger:
    """What each day has spent, in rho of zero-concentrated differential privacy."""

    def __init__(self, path: Path, register: Register | None = None) -> None:
        self._path = path
        self._file = AppendFile(path, register)

    def spent(self) -> Mapping[date, float]:
        """Rho spent by day. Raises EnvironmentProblem for a ledger that is gone or unreadable."""
        try:
            lines = self._file.read().lines
            totals: dict[date, float] = {}
            for line in lines:
                entry = parse_json(line)
                day = date.fromisoformat(entry["day"])
                totals[day] = totals.get(day, 0.0) + float(entry["rho"])
            return totals
        except (OSError, FileGone, ValueError, KeyError, TypeError) as error:
            raise self._problem(error) from None

    def spend(self, days: Sequence[date], rho: float, limit: float, now: datetime) -> list[date]:
        """Take `rho` of each day's budget and return the days that still had it.

        Decided and written under one lock, so two releases at once cannot spend it twice.
        """
        try:
            with self._file.exclusive():
                spent = self.spent()
                able = [day for day in days if spent.get(day, 0.0) + rho <= limit + 1e-12]
                entries = [{"day": str(day), "rho": rho, "at": now.isoformat()} for day in able]
                if entries:
                    self._file.append([json.dumps(entry) for entry in entries])
            return able
        except (OSError, FileGone) as error:
            raise self._problem(error) from None

    def _problem(self, error: BaseException) -> EnvironmentProblem:
        return EnvironmentProblem(
            "the ledger of releases cannot be used",
            where=str(self._path),
            why=type(error).__name__,
            remedy="Restore it: without it the budget that was spent is unknown, so nothing may be",
        )
