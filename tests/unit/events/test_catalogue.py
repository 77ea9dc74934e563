"""Closed lists: what a catalogue must hold, and what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import SchemaError
from pipeline.events.catalogue import FIXED, Route, parse_catalogue
from pipeline.events.schema import SHAPES
from pipeline.io.package_data import load_catalogue, load_schemas, packaged

TEXTS = {
    path.stem: path.read_text("utf-8") for path in Path(str(packaged())).glob("catalogue/*.yaml")
}


def with_file(name: str, text: str) -> dict[str, str]:
    return {**TEXTS, name: text}


def test_the_demo_catalogue_has_every_list() -> None:
    catalogue = load_catalogue()
    assert set(catalogue.lists) == {*FIXED, *TEXTS} - {"referrers"}
    assert catalogue.plain == set(TEXTS) - {"routes", "clients", "os_families", "referrers"}
    assert len(catalogue.routes) >= 30
    assert len(catalogue.values("clients")) == len(set(catalogue.values("clients"))) == 32
    assert len(catalogue.storable("os_families")) == 8
    assert catalogue.values("device_classes") == FIXED["device_classes"]
    assert set(catalogue.referrer_domains) == {"own", "docs", "search", "social"}


def test_every_list_of_a_schema_exists() -> None:
    for schemas in load_schemas().values():
        for column in schemas[-1].columns:
            if column.values is not None and column.values not in SHAPES:
                assert load_catalogue().storable(column.values)


def test_values_outside_a_list_have_one_name() -> None:
    catalogue = load_catalogue()
    assert "other" in catalogue.storable("models")
    assert "unregistered" in catalogue.storable("error_codes")
    assert "other" not in catalogue.storable("error_codes")
    assert "/{unmatched}" in catalogue.storable("routes")
    assert catalogue.storable("account_ages") == set(FIXED["account_ages"])
    with pytest.raises(KeyError):
        catalogue.values("nothing")


def test_a_route_knows_its_segments() -> None:
    assert Route("GET", "/v1/streams/{stream}").segments == ("v1", "streams", "{stream}")
    assert Route("GET", "/").segments == ()


@pytest.mark.parametrize("name", ["methods", "routes", "clients", "os_families", "referrers"])
def test_a_missing_file_is_named(name: str) -> None:
    texts = {key: text for key, text in TEXTS.items() if key != name}
    with pytest.raises(SchemaError, match="missing") as raised:
        parse_catalogue(texts)
    assert raised.value.where == f"catalogue/{name}.yaml"


def test_any_other_file_is_a_plain_list() -> None:
    catalogue = parse_catalogue(with_file("cache_statuses", "cache_statuses: [hit, miss]"))
    assert catalogue.storable("cache_statuses") == {"hit", "miss", "other"}
    assert "cache_statuses" in catalogue.plain


@pytest.mark.parametrize("name", ["agent", "route", "ip_classes", "Upper", "a b"])
def test_a_list_cannot_have_a_name_that_means_something_else(name: str) -> None:
    with pytest.raises(SchemaError, match="cannot be the name of a list"):
        parse_catalogue(with_file(name, f"{name}: [a]"))


def test_a_list_that_a_schema_names_must_be_there() -> None:
    catalogue = parse_catalogue({key: text for key, text in TEXTS.items() if key != "models"})
    with pytest.raises(SchemaError, match=r"generalize\[models\].* is invalid") as raised:
        load_schemas(None, catalogue)
    assert raised.value.where.endswith("model")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("models", "models: []", "empty"),
        ("models", "models: [other]", "stands for values outside"),
        ("error_codes", "error_codes: [unregistered]", "stands for values outside"),
        ("models", "models: [a, a]", "twice"),
        ("models", "models: [a@example.com]", "does not look like"),
        ("models", f"models: [{'x' * 65}]", "does not look like"),
        ("models", 'models: ["a\\nb"]', "does not look like"),
        ("models", "models: [a]\nmore: [b]", "'more' is not known"),
        ("regions", "regions: [NO]", "double quotes"),
        ("routes", "routes: [FETCH /v1]", "not in methods.yaml"),
        ("routes", "routes: [GET v1]", "not a template"),
        ("routes", 'routes: ["GET /v1/{a}/{a b}"]', "not a template"),
        ("routes", 'routes: ["GET /v1/x{a}"]', "not a template"),
        ("routes", "routes: [GET /v1//x]", "not a template"),
        ("routes", 'routes: ["GET /v1/{a}", "GET /v1/{b}"]', "same paths"),
        ("clients", "clients: {x: {}}", "nothing shows"),
        ("clients", "clients: {x: {prefixes: [x/], device: phone}}", "library or bot"),
        ("clients", "clients: {ab: {parsed: [X]}, cd: {parsed: [X]}}", "another client"),
        ("clients", "clients: {x: {prefixes: [x/], majors: [two]}}", "no major version"),
        ("clients", "clients: {x: {prefixes: [x/], majors: [9-3]}}", "no major version"),
        ("clients", "clients: {x: {contains: [x], parsed: [x]}}", "another client"),
        ("clients", "clients: {other: {parsed: [X]}}", "stands for values outside"),
        ("os_families", "os_families: {a: {parsed: [X]}, b: {parsed: [X]}}", "already belongs"),
        ("referrers", "own: [a.example]\ndocs: []\nsearch: []\nsocial: [a.example]", "two classes"),
        (
            "referrers",
            "own: ['https://a.example']\ndocs: []\nsearch: []\nsocial: []",
            "not a domain",
        ),
        ("referrers", "own: [A.example]\ndocs: []\nsearch: []\nsocial: []", "not a domain"),
        ("referrers", "own: []\ndocs: []\nsearch: []", "'social' is missing"),
    ],
)
def test_a_file_that_is_off_is_refused(name: str, text: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message) as raised:
        parse_catalogue(with_file(name, text))
    assert raised.value.where.startswith(f"catalogue/{name}.yaml")
