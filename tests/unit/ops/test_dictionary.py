"""The data dictionary names every column and every value that one may hold."""

from __future__ import annotations

import re

from pipeline.io.lake.rejection_table import STORED
from pipeline.io.package_data import load_catalogue, load_schemas
from pipeline.ops.dictionary import HEADINGS, as_markdown, dictionary

SCHEMAS = [versions[-1] for _, versions in sorted(load_schemas().items())]
CATALOGUE = load_catalogue(None)
TOLD = dictionary(SCHEMAS, CATALOGUE)
TEXT = as_markdown(TOLD, "Made for a test.")


def test_every_column_of_every_table_is_there_in_stored_order() -> None:
    found = {table.name: [entry.name for entry in table.entries] for table in TOLD.tables}
    stored = {schema.event: schema.stored.names for schema in SCHEMAS}
    assert found == {**stored, "rejections": STORED.names}


def test_every_list_that_a_column_names_is_there_with_its_fallback() -> None:
    lists = dict(TOLD.lists)
    named = {entry.values for one in TOLD.tables for entry in one.entries if entry.is_list}
    assert named == set(lists)
    assert "other" in lists["methods"]
    assert set(lists["routes"]) == CATALOGUE.storable("routes")
    assert "not_json" in lists["reject_reasons"]


def test_shapes_are_said_in_words_and_are_no_lists() -> None:
    (table,) = (table for table in TOLD.tables if table.name == "session")
    country = next(entry for entry in table.entries if entry.name == "country")
    assert (country.is_list, country.values) == (False, "ISO 3166 alpha-2, `ZZ` if unknown")
    assert (country.source, country.null) == ("client_ip", "no")


def test_markdown_links_lead_to_headings_and_rows_have_all_cells() -> None:
    headings = re.findall(r"^### (\S+)$", TEXT, re.M)
    assert set(re.findall(r"\]\(#(\S+?)\)", TEXT)) == set(headings)
    rows = [line for line in TEXT.splitlines() if line.startswith("| ")]
    assert {len(re.split(r"(?<!\\)\|", row)) - 2 for row in rows} == {len(HEADINGS)}
    assert "Made for a test." in TEXT
