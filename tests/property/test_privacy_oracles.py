"""The privacy stage's own parsers against independent ones, where these agree with our rules."""

from __future__ import annotations

import ipaddress
import re
import socket

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.events.catalogue import Route
from pipeline.privacy.columns import distinct
from pipeline.privacy.networks import SPECIAL_V4, SPECIAL_V6, IpClass, RangeTable
from pipeline.privacy.policy import Policy
from pipeline.privacy.values.addresses import AddressReducer, parse_address, unwrap
from pipeline.privacy.values.routes import RouteMatcher

NUMERALS = st.sampled_from(["0", "1", "00", "255", "256", "08", "0x1", "ffff", "10000", "g", "٣"])
MARKS = st.sampled_from(["::", ":", ".", "%", "-", "[", "]", ":80", "/", "", " ", "\n"])
PIECES = NUMERALS | MARKS | st.sampled_from(["1.2.3.4", "1.2.3", "FFFF", "dead", "::ffff:"])
SCRAPS = st.lists(PIECES, max_size=12).map("".join) | st.lists(
    st.sampled_from(["0", "ab", "12", "fff0"]), min_size=1, max_size=9
).map(":".join)


def oracle(text: str) -> tuple[int, int] | None:
    """What `ipaddress` makes of a text that has no zone, port or brackets."""
    if not re.fullmatch(r"[0-9A-Fa-f:.]*", text, re.ASCII) or len(text) > 53:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return address.version, int(address)


@given(SCRAPS | st.ip_addresses().map(str))
@example("::")
@example("1:2:3:4:5:6:7::")
@example("::2:3:4:5:6:7:8")
@example("1::3:4:5:6:7:8")
@example("1:2:3:4::5:6:7:8")
def test_bare_addresses_are_parsed_as_by_the_standard_library(text: str) -> None:
    if re.fullmatch(r"[0-9.]*:[0-9]*", text):
        return  # IPv4 with port, which the library does not know
    found = parse_address(text)
    if text[:1] != "[":
        assert found == oracle(text)


@given(st.ip_addresses(v=4), st.integers(0, 70_000))
def test_ports_are_taken_off(address: ipaddress.IPv4Address, port: int) -> None:
    expected = (4, int(address)) if port <= 65535 else None
    assert parse_address(f"{address}:{port}") == expected


@given(st.ip_addresses(v=6), st.integers(0, 70_000), st.booleans())
def test_brackets_and_ports_are_taken_off(
    address: ipaddress.IPv6Address, port: int, upper: bool
) -> None:
    text = f"[{address}]:{port}"
    expected = (6, int(address)) if port <= 65535 else None
    assert parse_address(text.upper() if upper else text) == expected


@given(st.text(max_size=60) | SCRAPS)
def test_nothing_makes_the_parser_fail(text: str) -> None:
    address = parse_address(text)
    assert address is None or 0 <= address.number < 1 << {4: 32, 6: 128}[address.version]


@given(st.ip_addresses(v=6))
def test_notations_of_one_address_are_one_address(address: ipaddress.IPv6Address) -> None:
    dotted = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    head = ":".join(address.exploded.split(":")[:6])
    forms = [str(address), address.exploded, address.exploded.upper(), f"{head}:{dotted}"]
    forms.append(socket.inet_ntop(socket.AF_INET6, address.packed))
    assert {parse_address(form) for form in forms} == {(6, int(address))}


@given(st.ip_addresses(v=4), st.integers(0, 2**80 - 1))
def test_an_address_is_the_same_in_whatever_it_is_wrapped(
    address: ipaddress.IPv4Address, rest: int
) -> None:
    number = int(address)
    reducer = AddressReducer(Policy(), lambda _: "DE")
    bare = reducer.reduce(str(address))
    wrapped = [0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80 | rest]
    for value in wrapped:
        text = str(ipaddress.IPv6Address(value))
        parsed = parse_address(text)
        assert parsed is not None
        assert unwrap(parsed) == (4, number)
        assert reducer.reduce(text) == bare


@given(st.ip_addresses())
def test_what_we_call_public_is_global_for_the_standard_library(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    # The other way round does not hold: anycast services of the registries are reserved here.
    table = RangeTable(SPECIAL_V4 if address.version == 4 else SPECIAL_V6)
    if table.classify(int(address)) is IpClass.PUBLIC:
        assert address.is_global
        assert not address.is_multicast


@given(st.integers(0, 2**128 - 1), st.sampled_from(SPECIAL_V6), st.integers(-1, 1))
def test_ranges_hold_to_their_first_and_last_address(
    number: int, special: tuple[str, IpClass], step: int
) -> None:
    network = ipaddress.IPv6Network(special[0])
    first, last = int(network.network_address), int(network.broadcast_address)
    for edge in (first + step, last + step, first + number % network.num_addresses):
        if not 0 <= edge < 2**128:
            continue
        holding = [
            (ipaddress.IPv6Network(text).prefixlen, kind)
            for text, kind in SPECIAL_V6
            if ipaddress.IPv6Address(edge) in ipaddress.IPv6Network(text)
        ]
        expected = max(holding)[1] if holding else IpClass.PUBLIC
        assert RangeTable(SPECIAL_V6).classify(edge) is expected


WORDS = st.sampled_from(["v1", "a", "b", "{x}", "{y}"])
ROUTES = st.lists(
    st.tuples(st.sampled_from(["GET", "PUT"]), st.lists(WORDS, max_size=4)), max_size=12
)
SEGMENTS = st.sampled_from(
    ["v1", "a", "b", "c", "", ".", "..", "%61", "%2F", "%zz", "%", "%ff", "é", "a b", "{x}", "\\"]
)
PATHS = st.one_of(
    st.lists(SEGMENTS, max_size=5).map(lambda parts: "/" + "/".join(parts)),
    st.lists(st.sampled_from(["v1", "a", "b", "c"]), max_size=5).map(
        lambda parts: "/" + "/".join(parts)
    ),
    st.sampled_from(
        [None, "", "a", "*", "/", "//", "/a?b#/c", "/a#?", "?/a", "https://x/a", "/a\0"]
    ),
    st.text(max_size=8),
)


def slow_match(routes: list[Route], method: str, segments: list[str]) -> str:
    """Try all routes, literals before parameters from left to right."""
    fits = [
        route
        for route in routes
        if route.method == method
        and len(route.segments or ("",)) == len(segments)
        and all(
            part == got or (part.startswith("{") and got != "")
            for part, got in zip(route.segments or ("",), segments, strict=True)
        )
    ]
    fits.sort(key=lambda route: [part.startswith("{") for part in route.segments])
    return fits[0].template if fits else "/{unmatched}"


@given(
    ROUTES, st.lists(st.tuples(st.sampled_from(["GET", "PUT", "get", None]), PATHS), max_size=12)
)
def test_the_automaton_the_tree_and_the_list_agree(
    declared: list[tuple[str, list[str]]], requests: list[tuple[str | None, str | None]]
) -> None:
    shapes: dict[tuple[str, ...], Route] = {}
    for method, parts in declared:
        shape = (method, *("{}" if part.startswith("{") else part for part in parts))
        shapes.setdefault(shape, Route(method, "/" + "/".join(parts)))
    routes = list(shapes.values())
    matcher = RouteMatcher(routes)
    methods = pa.array([method for method, _ in requests], pa.string())
    paths = pa.array([path for _, path in requests], pa.string())
    found = [matcher.templates[code] for code in matcher.match_column(distinct(methods), paths)]
    assert found == [matcher.match(method or "", path or "") for method, path in requests]
    for (used, path), template in zip(requests, found, strict=True):
        if path is not None and re.fullmatch(r"(?:/[a-z0-9]+)+|/", path):
            assert template == slow_match(routes, used or "", path[1:].split("/"))
