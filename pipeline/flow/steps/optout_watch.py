"""The opt-out list as one process knows it: up to date, or not known, and then nothing is read.

A list that comes back by itself (`OptOutPaused`) makes a continuous run wait, and is reported once,
not at every turn. One that somebody has to repair (`OptOutStale`) ends the run.
"""

from __future__ import annotations

import logging
from datetime import datetime

from pipeline import metrics as declared
from pipeline.errors import OptOutPaused
from pipeline.flow.ports import OptOutSource
from pipeline.flow.steps.guard import guarded
from pipeline.metrics import Metrics
from pipeline.privacy.optout import OptOutState

LOG = logging.getLogger(__name__)


class OptOutWatch:
    """Follow one list."""

    def __init__(self, source: OptOutSource, metrics: Metrics, *, waits: bool) -> None:
        self._source = source
        self._metrics = metrics
        self._waits = waits
        self._loaded = False
        self._paused = False

    def standing(self, now: datetime) -> OptOutState | None:
        """Return the list as of now; None while it is not known and the run waits for it.

        The first call reads the list to its end. Raises `OptOutStale`, and `OptOutPaused` if
        the run does not wait.
        """
        try:
            if not self._loaded:
                guarded("opening", None, self._source.load)
                self._loaded = True
            standing = self._source.refresh(now)
        except OptOutPaused as error:
            self._show_age(now)
            if not self._waits:
                raise
            if not self._paused:
                LOG.warning("%s", str(error))
            self._paused = True
            return None
        if self._paused:
            LOG.warning("The opt-out list is known again, and reading continues")
        self._paused = False
        self._show_age(now)
        return standing

    def _show_age(self, now: datetime) -> None:
        age = self._source.age(now)
        if age is not None:
            self._metrics.show(declared.OPTOUT_AGE, age.total_seconds())
