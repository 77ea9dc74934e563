"""The account of a run as the lake's log has it.

A worker may die between its commit and its report, so what workers say lacks what they could no
longer say. The log lacks nothing: every commit names its run and accounts for its messages. It
keeps entries for two days only, so an account of a long run is read from time to time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.flow.ports import Ports
from pipeline.flow.summary import Tally

COUNTS = ("read", "written", "rejected", "dropped", "files")


class LogAccount:
    """Adds up the commits of one run, each once."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._next: dict[str, int] = {}
        self.tally = Tally()

    def begin(self) -> None:
        """Skip the commits that are already there: none belongs to this run. Raises LakeError."""
        self._look(count=False)

    def read(self) -> Tally:
        """Add what was committed since the last look, and return the sum. Raises LakeError."""
        self._look(count=True)
        return self.tally

    def _look(self, *, count: bool) -> None:
        schemas, lake = self._ports.schemas(), self._ports.lake()
        try:
            for event in sorted({source.event for source in self._ports.sources}):
                table = lake.events(event, schemas[event][-1].stored)
                newest, records = table.history_since(self._next.get(event, 0))
                self._next[event] = newest + 1
                for record in records:
                    told: Mapping[str, Any] = record.account
                    if count and told.get("run") == self._ports.run_id:
                        nulled = told.get("nulled", {})  # 0.1 did not say
                        self.tally += Tally(**{n: told[n] for n in COUNTS}, nulled=nulled)
        finally:
            lake.close()
