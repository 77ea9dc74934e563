"""Special-purpose address ranges, as our own table.

Python's `is_global` and friends changed between 3.9, 3.10 and 3.13, and stored data must not
depend on the interpreter. The table holds every entry of the IANA special-purpose registries
(IPv4: RFC 6890 and updates; IPv6 likewise), multicast, and everything outside the one block
from which global IPv6 addresses are assigned (2000::/3). What a registry lists and no other class
names is `reserved`, even where the registry calls it reachable: anycast services are not clients.

Addresses that carry an IPv4 address (mapped, NAT64, 6to4) are unwrapped before they are looked
up here; see `addresses`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network

from pipeline.errors import SettingsError


class IpClass(StrEnum):
    """Kind of an address; the closed list of `ip_class`."""

    PUBLIC = "public"
    PRIVATE = "private"
    CGNAT = "cgnat"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link_local"
    UNIQUE_LOCAL = "unique_local"
    DOCUMENTATION = "documentation"
    BENCHMARKING = "benchmarking"
    MULTICAST = "multicast"
    RESERVED = "reserved"
    TUNNEL_TEREDO = "tunnel_teredo"
    INVALID = "invalid"
    MISSING = "missing"


Network = IPv4Network | IPv6Network

IPV4_CEILING = 24
IPV6_CEILING = 48
"""Most bits of an address that may ever be stored, and by which countries are looked up."""

SPECIAL_V4: tuple[tuple[str, IpClass], ...] = (
    ("0.0.0.0/8", IpClass.RESERVED),  # "this network", RFC 791
    ("10.0.0.0/8", IpClass.PRIVATE),
    ("100.64.0.0/10", IpClass.CGNAT),  # RFC 6598
    ("127.0.0.0/8", IpClass.LOOPBACK),
    ("169.254.0.0/16", IpClass.LINK_LOCAL),
    ("172.16.0.0/12", IpClass.PRIVATE),
    ("192.0.0.0/24", IpClass.RESERVED),  # IETF protocol assignments: DS-Lite, PCP, TURN, NAT64
    ("192.0.2.0/24", IpClass.DOCUMENTATION),
    ("192.31.196.0/24", IpClass.RESERVED),  # AS112
    ("192.52.193.0/24", IpClass.RESERVED),  # AMT
    ("192.88.99.0/24", IpClass.RESERVED),  # 6to4 relay anycast, deprecated
    ("192.168.0.0/16", IpClass.PRIVATE),
    ("192.175.48.0/24", IpClass.RESERVED),  # AS112, direct delegation
    ("198.18.0.0/15", IpClass.BENCHMARKING),
    ("198.51.100.0/24", IpClass.DOCUMENTATION),
    ("203.0.113.0/24", IpClass.DOCUMENTATION),
    ("224.0.0.0/4", IpClass.MULTICAST),
    ("240.0.0.0/4", IpClass.RESERVED),  # with 255.255.255.255, limited broadcast
)
SPECIAL_V6: tuple[tuple[str, IpClass], ...] = (
    ("::/3", IpClass.RESERVED),  # with ::, ::/96 (IPv4-compatible), 64:ff9b:1::/48, 100::/64
    ("::1/128", IpClass.LOOPBACK),
    ("2001::/23", IpClass.RESERVED),  # IETF protocol assignments: AMT, ORCHID, DRIP, anycast
    ("2001::/32", IpClass.TUNNEL_TEREDO),
    ("2001:2::/48", IpClass.BENCHMARKING),
    ("2001:db8::/32", IpClass.DOCUMENTATION),
    ("2002::/16", IpClass.RESERVED),  # 6to4, unwrapped before
    ("2620:4f:8000::/48", IpClass.RESERVED),  # AS112, direct delegation
    ("3fff::/20", IpClass.DOCUMENTATION),  # RFC 9637
    ("4000::/2", IpClass.RESERVED),  # unassigned, with 5f00::/16 (SRv6)
    ("8000::/1", IpClass.RESERVED),  # unassigned, with fec0::/10 (site-local, deprecated)
    ("fc00::/7", IpClass.UNIQUE_LOCAL),
    ("fe80::/10", IpClass.LINK_LOCAL),
    ("ff00::/8", IpClass.MULTICAST),
)

_OPENABLE = frozenset({IpClass.BENCHMARKING, IpClass.DOCUMENTATION})


class RangeTable:
    """Classes of the addresses of one IP version, by the most specific range that holds them.

    Ranges in `public` count as public even where the table says otherwise.
    """

    __slots__ = ("_classes", "_starts")

    def __init__(
        self, special: Iterable[tuple[str, IpClass]], public: Sequence[Network] = ()
    ) -> None:
        ranges = [(ip_network(text), kind) for text, kind in special]
        ranges += [(network, IpClass.PUBLIC) for network in public]
        ranges.sort(key=lambda entry: entry[0].prefixlen)
        points = {0}
        for network, _ in ranges:
            first = int(network.network_address)
            points |= {first, first + network.num_addresses}
        self._starts = sorted(points)
        self._classes = [IpClass.PUBLIC] * len(self._starts)
        for network, kind in ranges:  # a longer prefix paints over a shorter one
            first = int(network.network_address)
            for index, start in enumerate(self._starts):
                if first <= start < first + network.num_addresses:
                    self._classes[index] = kind

    def classify(self, address: int) -> IpClass:
        """Class of the address, given as a number."""
        return self._classes[bisect_right(self._starts, address) - 1]


def parse_networks(texts: Iterable[str], setting: str) -> tuple[Network, ...]:
    """Networks in CIDR notation, for settings; `SettingsError` names the setting."""
    networks: list[Network] = []
    for text in texts:
        try:
            networks.append(ip_network(text))
        except ValueError:
            raise SettingsError(
                "a network is not in CIDR notation",
                where=setting,
                remedy="Write it as 10.0.0.0/8 or fd00::/8, with no bits set beyond the prefix",
            ) from None
    return tuple(networks)


def check_openable(networks: Iterable[Network], setting: str) -> None:
    """Refuse to call a range public that is not wholly for benchmarking or documentation."""
    for network in networks:
        special = SPECIAL_V4 if isinstance(network, IPv4Network) else SPECIAL_V6
        allowed = [ip_network(text) for text, kind in special if kind in _OPENABLE]
        if not any(_within(network, outer) for outer in allowed):
            raise SettingsError(
                "only benchmarking and documentation ranges may count as public",
                where=setting,
                remedy="Name 198.18.0.0/15 or 2001:db8::/32 for a demo, and nothing in production",
            )


def _within(inner: Network, outer: Network) -> bool:
    return (
        inner.version == outer.version
        and inner.prefixlen >= outer.prefixlen
        and inner.network_address in outer
    )
