"""What settings may change, and the floors and ceilings that they cannot cross."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipeline.errors import SettingsError
from pipeline.privacy.policy import BACKFILL_DAYS, RETENTION_DAYS, Policy


@pytest.mark.parametrize(
    "settings",
    [
        {"ipv4_bits": 25},
        {"ipv6_bits": 49},
        {"ipv4_bits": -1},
        {"ipv4_bits": True},
        {"max_ahead": timedelta(hours=1, microseconds=1)},
        {"max_ahead": timedelta(microseconds=-1)},
        {"max_age_days": BACKFILL_DAYS + 1},
        {"max_age_days": 0},
        {"trusted_proxies": ("10.0.0.1/8",)},
        {"trusted_proxies": ("proxy.example",)},
        {"public_ranges": ("10.0.0.0/8",)},
        {"public_ranges": ("198.16.0.0/14",)},
        {"public_ranges": ("2001:db8::/31",)},
        {"public_ranges": ("0.0.0.0/0",)},
    ],
)
def test_a_policy_cannot_cross_its_floors_and_ceilings(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        Policy(**settings)


def test_floors_and_ceilings_themselves_are_allowed() -> None:
    Policy(ipv4_bits=0, ipv6_bits=0, max_age_days=1, max_ahead=timedelta(0))
    Policy(
        ipv4_bits=24,
        ipv6_bits=48,
        max_age_days=BACKFILL_DAYS,
        max_ahead=timedelta(hours=1),
        trusted_proxies=("10.0.0.0/8", "fd00::/8"),
        public_ranges=("198.18.0.0/15", "2001:db8::/32"),
    )


def test_settings_take_precedence_over_the_bits_of_a_schema() -> None:
    assert Policy().bits(16, 32) == (16, 32)
    assert Policy(ipv4_bits=0).bits(16, 32) == (0, 32)
    assert Policy(ipv6_bits=48).bits(16, 32) == (16, 48)


def test_a_backfill_ends_before_its_partition_is_due_to_go() -> None:
    assert BACKFILL_DAYS == RETENTION_DAYS - 1


def test_an_error_names_the_setting_and_not_its_value() -> None:
    with pytest.raises(SettingsError) as caught:
        Policy(trusted_proxies=("alice.example",))
    assert "privacy.trusted_proxies" in str(caught.value)
    assert "alice" not in str(caught.value)
