"""Which spans of days are published as one, and when they may be.

A day is closed two hours after midnight UTC. A window is published once all its days are
closed; it never crosses a key epoch, because an account has a different token on the other
side and would count twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pipeline.errors import PrivacyGateClosed
from pipeline.ops.rollup.registry import Window
from pipeline.privacy.identity.epochs import ORIGIN, EpochKind, epoch_of

CLOSES_AFTER = timedelta(hours=2)
"""How long after midnight UTC a day is kept open for late events."""


@dataclass(frozen=True, slots=True, order=True)
class DaySpan:
    """Whole UTC days from `start` to `end`, both inclusive, inside one key epoch."""

    start: date
    end: date

    def days(self) -> list[date]:
        """Every day of the span."""
        return [self.start + timedelta(days=n) for n in range((self.end - self.start).days + 1)]


def span_of(day: date, window: Window, epoch: EpochKind) -> DaySpan:
    """The window that `day` belongs to; refuses one that would cross a key epoch.

    >>> span_of(date(2026, 11, 24), Window.WEEK, EpochKind.FOUR_WEEKS).start
    datetime.date(2026, 11, 23)
    """
    if window is Window.DAY:
        return DaySpan(day, day)
    if window is Window.PERIOD:
        whole = epoch_of(day, epoch)
        return DaySpan(whole.first_day, whole.last_day)
    start = ORIGIN + timedelta(days=(day - ORIGIN).days // 7 * 7)
    return one_epoch(DaySpan(start, start + timedelta(days=6)), epoch)


def one_epoch(span: DaySpan, epoch: EpochKind) -> DaySpan:
    """Return the span, or refuse it because people would be counted across a key epoch."""
    if epoch_of(span.start, epoch) != epoch_of(span.end, epoch):
        raise PrivacyGateClosed(
            "accounts may not be counted across the border of a key epoch",
            where=f"window {span.start} to {span.end}",
            why="an account has another pseudonym on the other side",
            remedy="Count days, ISO weeks or key periods",
        )
    return span


def is_closed(span: DaySpan, now: datetime) -> bool:
    """Whether the span's last day has been over for two hours."""
    midnight = datetime.combine(span.end + timedelta(days=1), datetime.min.time(), UTC)
    return now >= midnight + CLOSES_AFTER


def closed_spans(
    days: Iterable[date], window: Window, epoch: EpochKind, now: datetime
) -> list[DaySpan]:
    """The closed windows that contain any of the days, oldest first."""
    spans = {span_of(day, window, epoch) for day in days}
    return sorted(span for span in spans if is_closed(span, now))
