"""Make `schemas/geo/demo-country.mmdb`: made-up countries for addresses that nobody has.

Usage: python deploy/geo/make_demo_mmdb.py [FILE]

198.18.0.0/15 (benchmarking, RFC 2544) and 2001:db8::/32 (documentation, RFC 3849) are each split
into sixteen equal parts, one per country, so that demo and tests need neither a licence nor a
real address. The same input gives the same bytes: the build date is fixed.
"""

from __future__ import annotations

import ipaddress
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]

COUNTRIES = (
    *("US", "DE", "GB", "FR", "JP", "IN", "BR", "CA"),
    *("KR", "AU", "NL", "ES", "SE", "PL", "MX", "NG"),
)
RANGES = ("198.18.0.0/15", "2001:db8::/32")
BUILT = datetime(2026, 11, 1, tzinfo=UTC)
TARGET = Path(__file__).parents[2] / "schemas" / "geo" / "demo-country.mmdb"


class _Writer(MMDBWriter):
    """Writes a fixed build date instead of the time of day."""

    def _build_meta(self) -> dict[str, Any]:
        return {**super()._build_meta(), "build_epoch": int(BUILT.timestamp())}


def parts() -> list[tuple[str, str]]:
    """Return (network, country) for every part of both ranges."""
    return [
        (str(network), country)
        for whole in RANGES
        for network, country in zip(
            ipaddress.ip_network(whole).subnets(prefixlen_diff=4), COUNTRIES, strict=True
        )
    ]


def write(target: Path) -> None:
    """Write the database to `target`."""
    writer = _Writer(
        ip_version=6,
        ipv4_compatible=True,
        database_type="Demo-Country",
        languages=["en"],
        description="Made-up countries for documentation and benchmarking addresses",
    )
    for network, country in parts():
        writer.insert_network(IPSet([network]), {"country": {"iso_code": country}})
    target.parent.mkdir(parents=True, exist_ok=True)
    writer.to_db_file(str(target))


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)
