"""What settings may change about anonymization, and the floors and ceilings they cannot cross."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pipeline.errors import SettingsError
from pipeline.privacy.identity.epochs import EpochKind
from pipeline.privacy.networks import (
    IPV4_CEILING,
    IPV6_CEILING,
    check_openable,
    parse_networks,
)

RETENTION_DAYS = 90
BACKFILL_DAYS = RETENTION_DAYS - 1
"""Oldest event that a backfill may bring in: one day later its partition must be gone."""
LIVE_DAYS = 7
"""Oldest event that the stream accepts."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Privacy settings; raises `SettingsError` where one crosses its floor or ceiling."""

    ipv4_bits: int | None = None
    """Bits of an IPv4 address that are stored, 0 (column null) to 24; None: as declared."""
    ipv6_bits: int | None = None
    """Bits of an IPv6 address that are stored, 0 (column null) to 48; None: as declared."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks of our own proxies, whose `forwarded_for` is believed."""
    public_ranges: tuple[str, ...] = ()
    """Benchmarking and documentation ranges that count as public, for demos."""
    max_age_days: int = LIVE_DAYS
    """Events older than this are rejected as `too_old`; up to 89 for a backfill."""
    max_ahead: timedelta = timedelta(minutes=5)
    """Events further ahead of the clock are rejected as `in_future`; at most an hour."""
    epoch_kind: EpochKind = EpochKind.FOUR_WEEKS

    def __post_init__(self) -> None:
        if self.ipv4_bits is not None:
            _within("privacy.ipv4_bits", self.ipv4_bits, 0, IPV4_CEILING)
        if self.ipv6_bits is not None:
            _within("privacy.ipv6_bits", self.ipv6_bits, 0, IPV6_CEILING)
        _within("privacy.max_age_days", self.max_age_days, 1, BACKFILL_DAYS)
        if not timedelta(0) <= self.max_ahead <= timedelta(hours=1):
            raise SettingsError(
                "privacy.max_ahead is out of range", remedy="Use a time from 0 to one hour"
            )
        parse_networks(self.trusted_proxies, "privacy.trusted_proxies")
        check_openable(
            parse_networks(self.public_ranges, "privacy.public_ranges"), "privacy.public_ranges"
        )

    def bits(self, ipv4: int, ipv6: int) -> tuple[int, int]:
        """Stored bits of an IPv4 and an IPv6 address where a schema declares these."""
        return (
            ipv4 if self.ipv4_bits is None else self.ipv4_bits,
            ipv6 if self.ipv6_bits is None else self.ipv6_bits,
        )


def _within(setting: str, value: int, lowest: int, highest: int) -> None:
    if isinstance(value, bool) or not lowest <= value <= highest:
        raise SettingsError(
            f"{setting} is out of range", remedy=f"Use a whole number from {lowest} to {highest}"
        )
