"""The HTML dictionary needs nothing from outside, and its tables can be read by ear."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from pipeline.ops.dictionary import HEADINGS, Dictionary
from pipeline.ops.dictionary_page import as_page
from tests.unit.ops.test_dictionary import TOLD


class Seen(HTMLParser):
    """Every start tag, with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


PAGE = Seen(as_page(TOLD, "1.2.3"))


def test_nothing_is_asked_from_outside() -> None:
    asked = [
        (tag, name)
        for tag, attributes in PAGE.tags
        for name, value in attributes.items()
        if name in ("src", "href", "action", "srcset") and not str(value).startswith("#")
    ]
    assert asked == []
    assert [tag for tag, _ in PAGE.tags if tag in ("script", "link", "iframe", "img")] == []
    assert "url(" not in as_page(TOLD, "1")


def test_every_link_leads_to_a_place_of_the_page_and_places_are_unique() -> None:
    places = [attributes["id"] for _, attributes in PAGE.tags if "id" in attributes]
    assert len(places) == len(set(places))
    assert {str(one["href"])[1:] for one in PAGE.of("a")} <= set(places)


def test_every_table_has_a_caption_and_its_heads_say_of_what() -> None:
    columns = sum(len(table.entries) for table in TOLD.tables)
    scopes = [one.get("scope") for one in PAGE.of("th")]
    assert len(PAGE.of("caption")) == len(PAGE.of("table")) == len(TOLD.tables)
    assert scopes.count("row") == columns
    assert scopes.count("col") == len(HEADINGS) * len(TOLD.tables)
    assert PAGE.of("html") == [{"lang": "en"}]


def test_texts_of_schemas_are_texts() -> None:
    first = TOLD.tables[0]
    evil = replace(first, entries=(replace(first.entries[0], meaning="<script>x</script>"),))
    assert "<script>" not in as_page(Dictionary((evil,), ()), "1")
