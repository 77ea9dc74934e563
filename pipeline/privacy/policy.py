"""What settings may change about anonymization, and the floors and ceilings they cannot cross."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pipeline.errors import SettingsError
from pipeline.privacy.epochs import EpochKind
from pipeline.privacy.networks import check_openable, parse_networks

IPV4_CEILING = 24
IPV6_CEILING = 48
"""Most bits of an address that may ever be stored, and what countries are looked up on."""
RETENTION_DAYS = 90
BACKFILL_DAYS = RETENTION_DAYS - 1
"""Oldest event that a backfill may bring in: one day later its partition must be gone."""
LIVE_DAYS = 7
"""Oldest event that the stream takes in."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Privacy settings; raises `SettingsError` where one crosses its floor or ceiling."""

    ipv4_bits: int = 16
    """Bits of an IPv4 address in `ip_prefix`: 0 (column null) to 24."""
    ipv6_bits: int = 32
    """Bits of an IPv6 address in `ip_prefix`: 0 (column null) to 48."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks of our own proxies, whose `forwarded_for` is believed."""
    public_ranges: tuple[str, ...] = ()
    """Benchmarking and documentation ranges that count as public, for demos."""
    max_age_days: int = LIVE_DAYS
    """Events older than that are rejected as `too_old`; up to 89 for a backfill."""
    max_ahead: timedelta = timedelta(minutes=5)
    """Events further ahead of the clock are rejected as `in_future`; at most an hour."""
    epoch_kind: EpochKind = EpochKind.FOUR_WEEKS

    def __post_init__(self) -> None:
        _within("privacy.ipv4_bits", self.ipv4_bits, 0, IPV4_CEILING)
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


def _within(setting: str, value: int, lowest: int, highest: int) -> None:
    if isinstance(value, bool) or not lowest <= value <= highest:
        raise SettingsError(
            f"{setting} is out of range", remedy=f"Use a whole number from {lowest} to {highest}"
        )
