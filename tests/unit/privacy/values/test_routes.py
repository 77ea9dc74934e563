"""Routes, by a table of examples and by catalogues that are hard to match."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from pipeline.events.catalogue import UNMATCHED, Route
from pipeline.privacy.columns import distinct
from pipeline.privacy.values.routes import RouteMatcher
from tests.both_ways import decoder_in_use
from tests.privacy_rows import anonymize, fixture

__all__ = ["decoder_in_use"]


@pytest.mark.parametrize("row", list(fixture("routes.tsv")))
def test_a_request_has_the_route_that_the_table_says(row: list[Any]) -> None:
    method, path, route = row
    clean = anonymize("api_request", [{"method": method, "path": path}])
    assert clean.rows.column("route").to_pylist() == [route]


def test_rows_do_not_spoil_their_neighbours() -> None:
    table = list(fixture("routes.tsv"))
    rows = [{"method": method, "path": path} for method, path, _ in table]
    for order in (1, -1):
        clean = anonymize("api_request", rows[::order])
        assert clean.rows.column("route").to_pylist() == [row[2] for row in table][::order]


def test_text_without_a_slash_is_not_taken_for_the_end_of_the_path_before_it() -> None:
    known, no = "/v1/models", UNMATCHED
    paths = [known, "x", known, None, "", "a/b", known, "?", known, "*", known]
    clean = anonymize("api_request", [{"method": "GET", "path": path} for path in paths])
    expected = [known, no, known, None, None, no, known, no, known, no, known]
    assert clean.rows.column("route").to_pylist() == expected


def matcher(*routes: str) -> RouteMatcher:
    """A matcher of routes written as `METHOD /template`."""
    return RouteMatcher([Route(*route.split(" ")) for route in routes])


def both(routes: RouteMatcher, method: str, path: str) -> str:
    """The route of one request, by the rule and by the column kernel, which must agree."""
    codes = routes.match_column(distinct(pa.array([method])), pa.array([path]))
    assert routes.templates[codes[0]] == routes.match(method, path)
    return routes.match(method, path)


def test_a_literal_wins_over_a_parameter_but_is_given_up_for_one_that_fits() -> None:
    routes = matcher("GET /a/{x}", "GET /a/b", "GET /{y}/b/c", "GET /a/{x}/d", "POST /{z}/{x}")
    assert both(routes, "GET", "/a/b") == "/a/b"
    assert both(routes, "GET", "/a/q") == "/a/{x}"
    assert both(routes, "GET", "/a/b/c") == "/{y}/b/c"
    assert both(routes, "GET", "/a/b/d") == "/a/{x}/d"
    assert both(routes, "POST", "/a/b") == "/{z}/{x}"
    assert both(routes, "GET", "/q/b") == UNMATCHED


def test_the_choice_further_left_decides() -> None:
    routes = matcher("GET /a/{x}/{y}", "GET /{w}/b/c")
    assert both(routes, "GET", "/a/b/c") == "/a/{x}/{y}"
    assert both(routes, "GET", "/q/b/c") == "/{w}/b/c"


def test_the_root_is_a_route_if_the_catalogue_has_it() -> None:
    routes = matcher("GET /", "GET /{x}")
    assert both(routes, "GET", "/") == "/"
    assert both(routes, "GET", "/?a") == "/"
    assert both(routes, "GET", "//") == UNMATCHED
    assert both(routes, "GET", "/a/") == UNMATCHED
    assert both(routes, "GET", "") == UNMATCHED


def test_parameters_of_different_names_at_one_place_keep_their_templates() -> None:
    routes = matcher("GET /a/{x}", "DELETE /a/{y}", "GET /a/{z}/b")
    assert both(routes, "GET", "/a/1") == "/a/{x}"
    assert both(routes, "DELETE", "/a/1") == "/a/{y}"
    assert both(routes, "GET", "/a/1/b") == "/a/{z}/b"


def test_a_catalogue_without_routes_matches_nothing() -> None:
    assert both(matcher(), "GET", "/a") == UNMATCHED


def test_a_literal_that_looks_like_a_dot_segment_is_never_reached() -> None:
    routes = matcher("GET /./a", "GET /../a")
    assert both(routes, "GET", "/./a") == UNMATCHED
    assert both(routes, "GET", "/../a") == UNMATCHED


def test_many_overlapping_parameters_stay_small() -> None:
    literal_or_not = [
        "GET /" + "/".join("{p}" if bits >> place & 1 else "s" for place in range(6))
        for bits in range(64)
    ]
    routes = matcher(*literal_or_not)
    assert both(routes, "GET", "/s/s/x/s/x/s") == "/s/s/{p}/s/{p}/s"
    assert both(routes, "GET", "/x/x/x/x/x/x") == "/{p}/{p}/{p}/{p}/{p}/{p}"
