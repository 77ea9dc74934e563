"""Key epochs: spans of whole UTC days whose tokens share one random key.

A token can be followed inside one epoch and no further, and destroying an epoch's key makes its
tokens meaningless. Epochs are counted from Monday 2024-01-01; their length is a setting.
Keys themselves live in the keystore; this module only knows the calendar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum

import numpy as np
import numpy.typing as npt

from pipeline.errors import SettingsError

ORIGIN = date(2024, 1, 1)
"""First day of every epoch 0, a Monday. There are no epochs before it."""

UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""What times in microseconds are counted from."""

_ORIGIN_DAY = (ORIGIN - UNIX_EPOCH.date()).days
_NAME = re.compile(r"(day|week|4weeks)-([0-9]{4,7})")


class EpochKind(Enum):
    """How long an epoch is."""

    DAY = "day"
    WEEK = "week"
    FOUR_WEEKS = "4weeks"

    @property
    def days(self) -> int:
        """Length in days."""
        return _DAYS[self]


_DAYS = {EpochKind.DAY: 1, EpochKind.WEEK: 7, EpochKind.FOUR_WEEKS: 28}


@dataclass(frozen=True, slots=True)
class Epoch:
    """One key epoch.

    >>> epoch_of(date(2026, 11, 24), EpochKind.FOUR_WEEKS).name
    '4weeks-0037'
    """

    kind: EpochKind
    index: int

    def __post_init__(self) -> None:
        if self.index < 0:
            raise SettingsError(
                "there is no key epoch before 2024-01-01",
                remedy="Use days from 2024-01-01 on",
            )

    @property
    def first_day(self) -> date:
        """First UTC day of the epoch."""
        return ORIGIN + timedelta(days=self.index * self.kind.days)

    @property
    def last_day(self) -> date:
        """Last UTC day of the epoch, inclusive."""
        return self.first_day + timedelta(days=self.kind.days - 1)

    @property
    def name(self) -> str:
        """Name in keystores and receipts, such as `4weeks-0037`; sorts by time within a kind."""
        return f"{self.kind.value}-{self.index:04d}"

    @classmethod
    def parse(cls, name: str) -> Epoch:
        """The epoch of that name; `SettingsError` if it is not one."""
        match = _NAME.fullmatch(name)
        epoch = match and cls(EpochKind(match[1]), int(match[2]))
        if not epoch or epoch.name != name:
            raise SettingsError(
                "a key epoch has an unknown name", remedy="Expected for example 4weeks-0037"
            )
        return epoch


def epoch_of(day: date, kind: EpochKind) -> Epoch:
    """The epoch that the UTC day belongs to; `SettingsError` before 2024-01-01."""
    return Epoch(kind, (day - ORIGIN).days // kind.days)


def epoch_indices(days: npt.NDArray[np.int64], kind: EpochKind) -> npt.NDArray[np.int64]:
    """Epoch index of each day (given as days since 1970-01-01); negative before 2024-01-01."""
    return np.asarray((days - _ORIGIN_DAY) // kind.days, dtype=np.int64)
