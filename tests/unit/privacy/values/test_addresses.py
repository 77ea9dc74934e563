"""Addresses, by tables of examples; laws and oracles are in tests/property."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pipeline.privacy.networks import IpClass
from pipeline.privacy.policy import Policy
from pipeline.privacy.values.addresses import AddressReducer, parse_address
from tests.privacy_rows import NOW, anonymize, anonymizer, fixture, nowhere, raw_batch, stored


def columns_of(
    rows: Sequence[Mapping[str, Any]], policy: Policy | None = None
) -> list[tuple[Any, ...]]:
    """Country, prefix and class of raw rows, through the whole stage."""
    clean = anonymize("api_request", rows, policy).rows
    names = ("country", "ip_prefix", "ip_class")
    return list(zip(*(clean.column(name).to_pylist() for name in names), strict=True))


@pytest.mark.parametrize("row", list(fixture("addresses.tsv")))
def test_an_address_is_kept_as_the_table_says(row: list[Any]) -> None:
    text, ip_class, prefix = row
    [(country, stored_prefix, stored_class)] = columns_of([{"client_ip": text}])
    assert (stored_class, stored_prefix) == (ip_class, prefix)
    assert (country == "ZZ") == (ip_class != "public")


def test_the_table_shows_every_class() -> None:
    assert {row[1] for row in fixture("addresses.tsv")} == {kind.value for kind in IpClass}


@pytest.mark.parametrize("row", list(fixture("forwarded.tsv")))
def test_the_client_behind_our_proxies_is_found_as_the_table_says(row: list[Any]) -> None:
    peer, forwarded, ip_class, prefix = row
    policy = Policy(trusted_proxies=("10.0.0.0/8", "fd00::/8"))
    found = columns_of([{"client_ip": peer, "forwarded_for": forwarded}], policy)
    assert found == [(nowhere(prefix) if prefix else "ZZ", prefix, ip_class)]


def test_without_trusted_proxies_nobody_is_believed() -> None:
    rows = [{"client_ip": "10.0.0.1", "forwarded_for": "9.9.9.9"}]
    assert columns_of(rows) == [("ZZ", None, "private")]


def test_the_country_is_looked_up_on_the_truncated_network_only() -> None:
    asked: list[str] = []

    def country(network: str) -> str:
        asked.append(network)
        return "FR"

    reducer = AddressReducer(Policy(ipv4_bits=8, ipv6_bits=0), country)
    kept = [reducer.reduce(text) for text in ("8.8.4.77", "2600:1f18:4b7:9a01::77", "10.0.0.1")]
    assert asked == ["8.8.4.0", "2600:1f18:4b7::"]
    assert [entry.prefix for entry in kept] == ["8.0.0.0/8", None, None]


@pytest.mark.parametrize("answer", ["", "D", "de", "DEU", "alice@example.com", "ÄÖ", "D\n"])
def test_only_two_letters_pass_for_a_country(answer: str) -> None:
    assert AddressReducer(Policy(), lambda _: answer).reduce("8.8.8.8").country == "ZZ"


@pytest.mark.parametrize(
    ("v4", "v6", "prefixes"),
    [
        (24, 48, ["8.8.4.0/24", "2600:1f18:4b7::/48"]),
        (16, 32, ["8.8.0.0/16", "2600:1f18::/32"]),
        (13, 29, ["8.8.0.0/13", "2600:1f18::/29"]),
        (1, 1, ["0.0.0.0/1", "::/1"]),
        (0, 0, [None, None]),
    ],
)
def test_the_policy_sets_the_bits_that_are_kept(
    v4: int, v6: int, prefixes: list[str | None]
) -> None:
    rows = [{"client_ip": "8.8.4.77"}, {"client_ip": "2600:1f18:4b7:9a01::77"}]
    found = columns_of(rows, Policy(ipv4_bits=v4, ipv6_bits=v6))
    assert [prefix for _, prefix, _ in found] == prefixes


def test_demo_ranges_are_public_only_where_the_policy_names_them() -> None:
    rows = [
        {"client_ip": text}
        for text in ("198.18.7.1", "198.51.100.1", "2001:db8:7::1", "::ffff:198.18.7.1")
    ]
    closed = ["benchmarking", "documentation", "documentation", "benchmarking"]
    assert [kind for _, _, kind in columns_of(rows)] == closed
    demo = Policy(public_ranges=("198.18.0.0/15", "2001:db8::/32"))
    assert [(prefix, kind) for _, prefix, kind in columns_of(rows, demo)] == [
        ("198.18.0.0/16", "public"),
        (None, "documentation"),
        ("2001:db8::/32", "public"),
        ("198.18.0.0/16", "public"),
    ]


def test_a_batch_mixes_peers_and_forwarded_addresses() -> None:
    policy = Policy(trusted_proxies=("10.0.0.0/8",))
    rows: list[dict[str, Any]] = [
        {"client_ip": "10.0.0.1", "forwarded_for": "9.9.9.9"},
        {"client_ip": "9.9.9.9", "forwarded_for": "1.1.1.1"},
        {"client_ip": "10.0.0.1", "forwarded_for": None},
        {"client_ip": None, "forwarded_for": "1.1.1.1"},
        {"client_ip": "10.0.0.2", "forwarded_for": "8.8.8.8, 10.9.9.9"},
    ]
    prefixes = [prefix for _, prefix, _ in columns_of(rows, policy)]
    assert prefixes == ["9.9.0.0/16", "9.9.0.0/16", None, None, "8.8.0.0/16"]


def test_a_long_text_is_refused_before_it_is_parsed() -> None:
    assert parse_address("1" * 1_000_000) is None
    assert parse_address("[" + ":" * 1_000_000) is None


def test_answers_do_not_change_with_what_was_asked_before() -> None:
    stage = anonymizer()
    first = stage.anonymize(raw_batch("api_request", [{"client_ip": "8.8.8.8"}]), NOW)
    stage.anonymize(raw_batch("api_request", [{"client_ip": "10.0.0.1"}] * 3), NOW)
    again = stage.anonymize(raw_batch("api_request", [{"client_ip": "8.8.8.8"}]), NOW)
    assert first.rows.equals(again.rows)
    assert stored("api_request", "client_ip", ["8.8.8.8"], "ip_class") == ["public"]
