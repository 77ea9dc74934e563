"""A declared truncation: what it stores, what it may declare, and the widest of several."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.events.schema import EventSchema
from pipeline.privacy.policy import Policy
from pipeline.privacy.treatments.addresses import Truncate, widest_networks
from tests.privacy_rows import SCHEMAS, anonymize

DECLARED = SCHEMAS["api_request"][-1]
PROXY = "192.0.2.9"


def declaring(*bits: str) -> EventSchema:
    """The schema with another truncation of its address."""
    fields = tuple(
        replace(field, treatment=Truncate(bits)) if isinstance(field.treatment, Truncate) else field
        for field in DECLARED.fields
    )
    return replace(DECLARED, fields=fields)


def test_an_address_is_stored_as_country_network_and_class() -> None:
    rows = [{"client_ip": text} for text in ("8.8.4.77", "10.1.2.3", "alice", None)]
    found = anonymize("api_request", rows).rows
    assert found.select(["country", "ip_prefix", "ip_class"]).to_pylist() == [
        {"country": "US", "ip_prefix": "8.8.0.0/16", "ip_class": "public"},
        {"country": "ZZ", "ip_prefix": None, "ip_class": "private"},
        {"country": "ZZ", "ip_prefix": None, "ip_class": "invalid"},
        {"country": "ZZ", "ip_prefix": None, "ip_class": "missing"},
    ]


def test_what_a_proxy_forwards_counts_only_from_a_trusted_one() -> None:
    rows: list[dict[str, str | None]] = [
        {"client_ip": PROXY, "forwarded_for": "8.8.4.77"},
        {"client_ip": "9.9.9.9", "forwarded_for": "8.8.4.77"},
        {"client_ip": PROXY, "forwarded_for": None},
    ]
    trusting = anonymize("api_request", rows, Policy(trusted_proxies=("192.0.2.0/24",))).rows
    assert trusting.column("ip_prefix").to_pylist() == ["8.8.0.0/16", "9.9.0.0/16", None]
    alone = anonymize("api_request", rows).rows
    assert alone.column("ip_prefix").to_pylist() == [None, "9.9.0.0/16", None]


@pytest.mark.parametrize(
    ("one", "other", "less"),
    [
        (("16", "32"), ("16", "32"), True),
        (("8", "32"), ("16", "32"), True),
        (("8", "48"), ("16", "32"), False),
        (("24", "32"), ("16", "32"), False),
    ],
)
def test_fewer_bits_keep_no_more(one: tuple[str, ...], other: tuple[str, ...], less: bool) -> None:
    assert Truncate(one).keeps_no_more_than(Truncate(other)) is less


def test_the_widest_networks_are_looked_for_in_each_version_by_itself() -> None:
    schemas = [declaring("24", "32"), declaring("16", "48")]
    assert widest_networks(schemas, Policy()) == (24, 48)
    assert widest_networks(schemas, Policy(ipv4_bits=8)) == (8, 48)
    assert widest_networks([], Policy(ipv4_bits=8)) == (0, 0)
