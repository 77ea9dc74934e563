"""Layouts of lines: patterns, columns, and what they are told when they cannot work."""

from __future__ import annotations

import pytest

from pipeline.errors import SchemaError
from pipeline.events.documents import Section
from pipeline.events.formats.layouts import names_of, read_layout
from pipeline.events.formats.model import Layout, Pattern, Reads


def layout(reads: str, **keys: object) -> Layout:
    document = Section(keys, "own.toml")
    found = read_layout(document, Reads(reads))
    document.close()
    return found


def test_a_pattern_is_literals_with_values_between_them() -> None:
    found = layout("pattern", pattern='[$time] "$request" $status')
    captures = (("time", '] "'), ("request", '" '), ("status", ""))
    assert found.patterns == (Pattern("[", captures),)
    assert names_of(found) == ("time", "request", "status")


def test_columns_have_names_and_a_least_number() -> None:
    assert layout("quoted", columns=["a", "b"], least=1) == Layout(columns=("a", "b"), least=1)
    assert layout("quoted", columns=["a", "b"]).least == 2
    assert layout("tsv", columns=["a"]).separator == "\t"
    assert layout("w3c") == Layout()
    assert layout("w3c", separator="tab", columns=["a"]).separator == "\t"
    assert layout("json") == Layout()


@pytest.mark.parametrize(
    ("reads", "keys", "message"),
    [
        ("pattern", {}, "'pattern' is missing"),
        ("pattern", {"pattern": "no values"}, "names no value"),
        ("pattern", {"pattern": "$a $a"}, "or one twice"),
        ("pattern", {"pattern": "$a$b"}, r"nothing tells where \$a ends"),
        ("pattern", {"pattern": []}, "holds an empty text"),
        ("quoted", {}, "'columns' is missing"),
        ("quoted", {"columns": ["a", "a"]}, "named twice"),
        ("quoted", {"columns": ["a"], "least": 2}, "Write 1 to 1"),
        ("w3c", {"separator": "comma"}, "Use space or tab"),
        ("json", {"pattern": "$a"}, "the key 'pattern' is not known"),
        ("tsv", {"columns": ["a"], "separator": "tab"}, "the key 'separator' is not known"),
    ],
)
def test_a_layout_that_cannot_work_is_refused(
    reads: str, keys: dict[str, object], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        layout(reads, **keys)
