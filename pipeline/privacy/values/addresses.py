"""Client addresses: whose they are, of what kind, and which network may be kept.

Every address is parsed by our own rules, which do not change with the interpreter: ASCII, no
white space or control character, at most 53 characters, an optional port after IPv4 or after a
bracketed IPv6. A zone id, a leading zero, a short, hexadecimal or decimal form is invalid.
Addresses that carry an IPv4 address (mapped, NAT64, 6to4) are treated as that address.

Nothing here looks anything up: the country comes from a function that is given the truncated
network only.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, NamedTuple

from pipeline.privacy.networks import (
    IPV4_CEILING,
    IPV6_CEILING,
    SPECIAL_V4,
    SPECIAL_V6,
    IpClass,
    Network,
    RangeTable,
    parse_networks,
)

if TYPE_CHECKING:
    from pipeline.privacy.policy import Policy

LONGEST = 53
"""`[` + 45 characters of an IPv6 address with dotted end + `]:65535`."""
MOST_HOPS = 16
UNKNOWN_COUNTRY = "ZZ"

_V4 = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_DOTTED = re.compile(rf"{_V4}(?:\.{_V4}){{3}}")
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")
_GROUPS = re.compile(r"(?:[0-9A-Fa-f]{1,4}:){0,7}(?:[0-9A-Fa-f]{1,4})?")
_COUNTRY = re.compile(r"[A-Z]{2}")

_MAPPED = 0xFFFF
_NAT64 = 0x0064FF9B << 64
_SIX_TO_FOUR = 0x2002


class Address(NamedTuple):
    """A parsed address, unwrapped."""

    version: int
    number: int


class Kept(NamedTuple):
    """What is kept of one client address."""

    ip_class: IpClass
    country: str
    prefix: str | None
    """CIDR text; None for anything that is not public, or where the policy keeps no bits."""


MISSING = Kept(IpClass.MISSING, UNKNOWN_COUNTRY, None)
INVALID = Kept(IpClass.INVALID, UNKNOWN_COUNTRY, None)


def parse_address(text: str) -> Address | None:
    """The address that `text` is, before unwrapping; None if it is not one by our rules.

    >>> parse_address("8.8.8.8:443")
    Address(version=4, number=134744072)
    >>> parse_address("fe80::1%eth0") is None
    True
    """
    if len(text) > LONGEST:
        return None
    if text[:1] == "[":
        inner, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not (rest[0] == ":" and _is_port(rest[1:]))):
            return None
        return _parse_v6(inner)
    if text.count(":") > 1:
        return _parse_v6(text)
    host, colon, port = text.partition(":")
    if _DOTTED.fullmatch(host) is None or (colon and not _is_port(port)):
        return None
    return Address(4, int.from_bytes(socket.inet_aton(host), "big"))


def _is_port(text: str) -> bool:
    return _PORT.fullmatch(text) is not None and int(text) <= 65535


def _parse_v6(text: str) -> Address | None:
    if "." in text:  # the last 32 bits in dotted form become two groups
        head, colon, dotted = text.rpartition(":")
        if not colon or _DOTTED.fullmatch(dotted) is None:
            return None
        number = int.from_bytes(socket.inet_aton(dotted), "big")
        text = f"{head}:{number >> 16:x}:{number & 0xFFFF:x}"
    head, gap, tail = text.partition("::")
    first, last = _groups(head), _groups(tail)
    if first is None or last is None:
        return None
    missing = 8 - len(first) - len(last)
    if missing < 1 if gap else missing:
        return None
    number = 0
    for group in (*first, *("0",) * missing, *last):
        number = number << 16 | int(group, 16)
    return Address(6, number)


def _groups(text: str) -> list[str] | None:
    if not text:
        return []
    if text[-1] == ":" or _GROUPS.fullmatch(text) is None:
        return None
    return text.split(":")


def unwrap(address: Address) -> Address:
    """The IPv4 address that a mapped, NAT64 or 6to4 address carries, else the address itself."""
    version, number = address
    if version == 6:
        if number >> 32 in (_MAPPED, _NAT64):
            return Address(4, number & 0xFFFFFFFF)
        if number >> 112 == _SIX_TO_FOUR:
            return Address(4, number >> 80 & 0xFFFFFFFF)
    return address


class AddressReducer:
    """Reduces addresses to class, country and prefix by one policy.

    `declared` is the schema's bits for IPv4 and IPv6; a policy that names bits takes precedence.

    `country` is given the first address of a /24 or /48 as text and returns an ISO 3166 alpha-2
    code, or anything else for unknown.
    """

    __slots__ = ("_bits", "_country", "_trusted", "_v4", "_v6")

    def __init__(
        self,
        policy: Policy,
        country: Callable[[str], str],
        declared: tuple[int, int] = (16, 32),
    ) -> None:
        public = parse_networks(policy.public_ranges, "privacy.public_ranges")
        trusted = parse_networks(policy.trusted_proxies, "privacy.trusted_proxies")
        self._v4 = RangeTable(SPECIAL_V4, [net for net in public if isinstance(net, IPv4Network)])
        self._v6 = RangeTable(SPECIAL_V6, [net for net in public if isinstance(net, IPv6Network)])
        self._trusted = _intervals(trusted)
        self._bits = dict(zip((4, 6), policy.bits(*declared), strict=True))
        self._country = country

    def is_trusted(self, text: str) -> bool:
        """Whether the text is the address of one of our own proxies.

        A mapped address counts as its IPv4 address, which is how a dual-stack socket shows it;
        6to4 and NAT64 addresses do not: anybody can make one that carries a proxy's address.
        """
        if not self._trusted:
            return False
        address = parse_address(text)
        return address is not None and self._holds(address)

    def _holds(self, address: Address) -> bool:
        version, number = address
        if version == 6 and number >> 32 == _MAPPED:
            version, number = 4, number & 0xFFFFFFFF
        return any(
            version == trusted and first <= number <= last for trusted, first, last in self._trusted
        )

    def reduce(self, text: str) -> Kept:
        """What is kept of the address in `text`; class `missing` for an empty one."""
        if not text:
            return MISSING
        address = parse_address(text)
        return INVALID if address is None else self._keep(address)

    def reduce_forwarded(self, text: str) -> Kept:
        """What is kept of the client behind our proxies, from their `X-Forwarded-For`.

        The list is walked from the right past our own proxies, at most 16 hops; the first other
        hop is the client. If it is not an address, or no other hop is among the 16, the answer
        is `invalid`: anybody may have written what is further left. A list of nothing but our
        own proxies has no client: `missing`.
        """
        hops = text.rsplit(",", MOST_HOPS)
        beyond = hops.pop(0) if len(hops) > MOST_HOPS else None
        if not text.strip(" \t"):
            return MISSING
        for hop in reversed(hops):
            address = parse_address(hop.strip(" \t"))
            if address is None:
                return INVALID
            if not self._holds(address):
                return self._keep(address)
        return MISSING if beyond is None else INVALID

    def _keep(self, address: Address) -> Kept:
        version, number = unwrap(address)
        kind = (self._v4 if version == 4 else self._v6).classify(number)
        if kind is not IpClass.PUBLIC:
            return Kept(kind, UNKNOWN_COUNTRY, None)
        ceiling, width = (IPV4_CEILING, 32) if version == 4 else (IPV6_CEILING, 128)
        network = number >> (width - ceiling) << (width - ceiling)
        country = self._country(_text(version, network))
        bits = self._bits[version]
        first = network >> (width - bits) << (width - bits)
        return Kept(
            kind,
            country if _COUNTRY.fullmatch(country) else UNKNOWN_COUNTRY,
            f"{_text(version, first)}/{bits}" if bits else None,
        )


def _text(version: int, number: int) -> str:
    if version == 4:
        return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return str(IPv6Address(number))


def _intervals(networks: Iterable[Network]) -> tuple[tuple[int, int, int], ...]:
    return tuple(
        (net.version, int(net.network_address), int(net.broadcast_address)) for net in networks
    )
