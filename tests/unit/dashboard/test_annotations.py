"""Marks on the time axis: dated, short, of a known kind, and about nobody."""

from __future__ import annotations

from datetime import date

import pytest

from pipeline.dashboard.annotations import LONGEST_TEXT, Annotation, parse_annotations
from pipeline.errors import SettingsError


def entry(day: str = "2026-11-09", kind: str = '"incident"', text: str = '"Queue full"') -> str:
    return f"[[annotation]]\nday = {day}\nkind = {kind}\ntext = {text}\n"


def test_marks_are_read_oldest_first() -> None:
    found = parse_annotations(entry("2026-11-16", '"release"') + entry(), "notes.toml")
    assert found == [
        Annotation(date(2026, 11, 9), "incident", "Queue full"),
        Annotation(date(2026, 11, 16), "release", "Queue full"),
    ]
    assert parse_annotations("", "notes.toml") == []


@pytest.mark.parametrize(
    "text",
    [
        "[[annotation]\n",
        "[annotation]\nday = 2026-11-09\n",
        "[[note]]\n",
        entry('"2026-11-09"'),
        entry("2026-11-09T12:00:00Z"),
        entry(kind='"outage"'),
        entry(text='""'),
        entry(text=f'"{"x" * (LONGEST_TEXT + 1)}"'),
        entry(text="5"),
        entry() + 'author = "alice"\n',
        '[[annotation]]\nday = 2026-11-09\nkind = "note"\n',
    ],
)
def test_anything_else_does_not_load_and_names_the_file(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_annotations(text, "notes.toml")
    assert caught.value.where == "notes.toml"
    assert caught.value.why


@pytest.mark.parametrize(
    "text",
    [
        "Reported by alice@example.com",
        "Client 203.0.113.77 retried",
        "Client 2001:db8:1:2::77 retried",
        "Token 0123456789abcdef0123 leaked",
    ],
)
def test_a_text_that_could_name_somebody_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SettingsError, match="everybody") as caught:
        parse_annotations(entry(text=f'"{text}"'), "notes.toml")
    assert text not in str(caught.value)


@pytest.mark.parametrize("text", ["v2v-turbo 2.1", "10:30 restart", "eu-central-1 @ 50 %"])
def test_ordinary_words_pass(text: str) -> None:
    assert parse_annotations(entry(text=f'"{text}"'), "notes.toml")[0].text == text


def test_a_mark_is_read_back_from_the_pages_data() -> None:
    note = Annotation(date(2026, 11, 9), "incident", "Queue full")
    assert Annotation.of_json(note.as_json()) == note
    for broken in (None, {}, {**note.as_json(), "day": 5}, {**note.as_json(), "kind": "x"}):
        with pytest.raises(SettingsError):
            Annotation.of_json(broken)
