"""Values of closed lists that are proposed: names that many people use, and never an identifier."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from pipeline.io.package_data import load_schemas
from pipeline.ops.proposal.lists import MOST_VALUES, callers_of, propose_lists
from pipeline.ops.trial import decode_messages

SCHEMAS = load_schemas()["api_request"]


def rows(count: int = 30, people: int = 30, **fields: object) -> pa.RecordBatch:
    one = {"event": "api_request", "version": 1, "occurred_at": "2026-11-24T05:00:00Z", **fields}
    made = [
        {**one, "event_id": f"e{number}", "account_id": f"acct_{number % people}"}
        for number in range(count)
    ]
    return decode_messages([json.dumps(line).encode() for line in made], SCHEMAS, None).rows


def proposed(people: int = 30, **fields: object) -> dict[str, tuple[str, ...]]:
    return dict(propose_lists(rows(30, people, **fields), SCHEMAS[-1]))


@pytest.mark.parametrize("name", ["v2v-large", "gpt-4o", "restyle-1", "upscale 4x", "m.2"])
def test_a_name_that_many_accounts_use_is_proposed(name: str) -> None:
    assert proposed(model=name) == {"models": (name,)}


def test_what_fewer_than_20_accounts_use_is_nobodys_business() -> None:
    assert proposed(model="v2v-large", people=19) == {}
    assert proposed(model="v2v-large", people=20) == {"models": ("v2v-large",)}


@pytest.mark.parametrize(
    "value",
    [
        "jane.doe@example.com",
        "acct_1042",
        "1042",
        "5f3c2a10-9c4b-4d6e-8f01-23456789abcd",
        "a9f3e7",
        "order-20411",
        "+49 30 1234567",
        "Jane  Doe",
        "Jürgen",
        "x" * 41,
        "v2v-large\n",
        "other",
        "unregistered",
    ],
)
def test_what_looks_like_an_identifier_is_not_proposed(value: str) -> None:
    assert proposed(model=value) == {}


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-east-1", "europe-west4", "us-east-1a"])
def test_regions_are_those_of_cloud_providers(region: str) -> None:
    assert proposed(region=region) == {"regions": (region,)}


@pytest.mark.parametrize("customer", ["acme", "acme-east-1", "eu-jane-1", "de", "customer-7"])
def test_a_customer_in_the_place_of_a_region_is_not_proposed(customer: str) -> None:
    assert proposed(region=customer) == {}


def test_more_values_than_a_list_has_are_none() -> None:
    many = [rows(model=f"m-{letter}{other}") for letter in "abcdefghijk" for other in "abcdefghij"]
    assert len(many) > MOST_VALUES
    batch = pa.Table.from_batches(many).combine_chunks().to_batches()[0]
    assert propose_lists(batch, SCHEMAS[-1]) == {}


def test_lists_that_mean_the_same_everywhere_stay_as_they_are() -> None:
    assert proposed(method="BREW", plan="gold") == {"plans": ("gold",)}


def test_without_accounts_addresses_are_counted() -> None:
    batch = rows()
    none = pa.nulls(batch.num_rows, pa.string())
    names = batch.schema.names
    batch = batch.set_column(names.index("account_id"), "account_id", none)
    assert callers_of(batch) == [None] * 30
    addresses = pa.array([f"192.0.2.{number}" for number in range(30)])
    batch = batch.set_column(names.index("client_ip"), "client_ip", addresses)
    assert callers_of(batch)[:2] == ["192.0.2.0", "192.0.2.1"]
