"""Special-purpose ranges: each to its first and last address, the most specific one first."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from pipeline.errors import SettingsError
from pipeline.events.catalogue import FIXED
from pipeline.privacy.networks import (
    SPECIAL_V4,
    SPECIAL_V6,
    IpClass,
    RangeTable,
    check_openable,
    parse_networks,
)

V4, V6 = RangeTable(SPECIAL_V4), RangeTable(SPECIAL_V6)


def kind(text: str, v4: RangeTable = V4, v6: RangeTable = V6) -> IpClass:
    address = ip_address(text)
    return (v4 if address.version == 4 else v6).classify(int(address))


def test_closed_lists_of_the_code_are_those_of_the_catalogue() -> None:
    assert tuple(kind.value for kind in IpClass) == FIXED["ip_classes"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0.0.0", IpClass.RESERVED),
        ("9.255.255.255", IpClass.PUBLIC),
        ("10.0.0.0", IpClass.PRIVATE),
        ("10.255.255.255", IpClass.PRIVATE),
        ("11.0.0.0", IpClass.PUBLIC),
        ("172.31.255.255", IpClass.PRIVATE),
        ("172.32.0.0", IpClass.PUBLIC),
        ("100.127.255.255", IpClass.CGNAT),
        ("255.255.255.255", IpClass.RESERVED),
        ("::", IpClass.RESERVED),
        ("::1", IpClass.LOOPBACK),
        ("::2", IpClass.RESERVED),
        ("2001::1", IpClass.TUNNEL_TEREDO),
        ("2001:1::", IpClass.RESERVED),
        ("2001:2::1", IpClass.BENCHMARKING),
        ("2001:200::", IpClass.PUBLIC),
        ("3ffe:ffff::", IpClass.PUBLIC),
        ("3fff::", IpClass.DOCUMENTATION),
        ("4000::", IpClass.RESERVED),
        ("fe80::1", IpClass.LINK_LOCAL),
        ("fec0::1", IpClass.RESERVED),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", IpClass.MULTICAST),
    ],
)
def test_an_address_has_the_class_of_the_most_specific_range(text: str, expected: IpClass) -> None:
    assert kind(text) is expected


def test_a_range_that_counts_as_public_does_so_to_its_edges_only() -> None:
    open_ = RangeTable(SPECIAL_V4, parse_networks(["198.18.0.0/16"], "x"))
    assert [kind(text, open_) for text in ("198.18.0.0", "198.18.255.255", "198.19.0.0")] == [
        IpClass.PUBLIC,
        IpClass.PUBLIC,
        IpClass.BENCHMARKING,
    ]


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "alice.example", "", "10/8"])
def test_what_is_no_network_is_refused_by_the_name_of_its_setting(text: str) -> None:
    with pytest.raises(SettingsError, match=r"privacy\.trusted_proxies") as caught:
        parse_networks(["fd00::/8", text], "privacy.trusted_proxies")
    assert "alice" not in str(caught.value)


def test_networks_keep_their_order_and_version() -> None:
    texts = ["fd00::/8", "10.0.0.0/8"]
    assert parse_networks(texts, "x") == tuple(map(ip_network, texts))


@pytest.mark.parametrize("text", ["198.18.0.0/15", "198.19.7.0/24", "2001:db8::/32", "3fff:1::/32"])
def test_a_range_wholly_for_benchmarks_or_documents_may_be_opened(text: str) -> None:
    check_openable(parse_networks([text], "x"), "x")


@pytest.mark.parametrize(
    "text", ["198.16.0.0/14", "10.0.0.0/8", "2001:db8::/31", "::/0", "8.8.8.0/24"]
)
def test_any_other_range_stays_what_it_is(text: str) -> None:
    with pytest.raises(SettingsError, match=r"privacy\.public_ranges"):
        check_openable(parse_networks([text], "x"), "privacy.public_ranges")
