"""Strict YAML: what other readers would take for something else is refused."""

from __future__ import annotations

import pytest

from pipeline.errors import SchemaError
from pipeline.events.documents import read_document


def test_text_lists_integers_and_flags_are_read_as_they_stand() -> None:
    document = read_document(
        'a: some words\nb: 12\nc: true\nd: [x, "NO", "1"]\ne: >-\n  two\n  lines\n', "f.yaml"
    )
    assert document.text("a") == "some words"
    assert document.integer("b") == 12
    assert document.flag("c") is True
    assert document.texts("d") == ("x", "NO", "1")
    assert document.text("e") == "two lines"
    document.close()


SURPRISES = """
    NO no yes on Off y n null Null ~ 010 0x1f 0o7 0b1 1:30 190:20:30 1_000 +5 1.5 .5 1e3 .inf .NaN
    2024-01-01 2024-01-01T00:00:00Z
"""


@pytest.mark.parametrize("word", SURPRISES.split())
def test_words_that_some_readers_turn_into_something_else_must_be_quoted(word: str) -> None:
    with pytest.raises(SchemaError, match=r"f.yaml:2.*double quotes"):
        read_document(f"a: fine\nb: {word}\n", "f.yaml")
    assert read_document(f'b: "{word}"\n', "f.yaml").text("b") == word


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "f.yaml:2"),
        ("a: {b: 1, b: 2}\n", "is duplicated"),
        ("a: &x 1\nb: *x\n", "anchors"),
        ("a: !!python/name:os.system x\n", "tags"),
        ("<<: {a: 1}\nb: [\n", "one YAML document"),
        ("a: 1\n---\nb: 2\n", "one YAML document"),
        ("- a\n", "no keys"),
        ("", "no keys"),
        ("1: a\n", "key is not text"),
        ("true: a\n", "key is not text"),
        ("a:\n", "empty"),
        ("a: \t- x\n", "one YAML document"),
    ],
)
def test_what_is_not_one_plain_mapping_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message) as raised:
        read_document(text, "f.yaml")
    assert raised.value.where.startswith("f.yaml")


def test_a_small_file_cannot_grow_through_aliases() -> None:
    bomb = 'a: &a ["x","x"]\n' + "".join(f"b{i}: &b{i} [*a,*a]\n" for i in range(9))
    with pytest.raises(SchemaError, match="aliases"):
        read_document(bomb, "f.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 100_000,
        "a: " + "{b: " * 50 + "1" + "}" * 50,
        "\n".join(f"{' ' * level}a:" for level in range(50)),
        "- " * 100_000 + "a",
    ],
)
def test_what_would_overflow_the_stack_is_refused(text: str) -> None:
    with pytest.raises(SchemaError, match="nested too deeply"):
        read_document(text, "x.yaml")


def test_keys_that_nobody_asked_for_are_refused_with_a_suggestion() -> None:
    document = read_document("sensitivty: x\n", "f.yaml")
    assert document.text("sensitivity", default="y") == "y"
    with pytest.raises(SchemaError, match="did you mean 'sensitivity'"):
        document.close()


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a: 1", "text"),
        ("a: [b]", "text"),
        ("a: x", "integer"),
        ("a: true", "integer"),
        ('a: "1"', "integer"),
        ("a: x", "flag"),
        ("a: x", "texts"),
        ("a: [1]", "texts"),
        ("a: [x, x]", "texts"),
        ('a: [" x"]', "texts"),
        ("b: x", "text"),
        ("b: x", "texts"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_name(text: str, read: str) -> None:
    with pytest.raises(SchemaError, match="'a'"):
        getattr(read_document(text, "f.yaml"), read)("a")


@pytest.mark.parametrize("text", ["a: 1", "a: [b]"])
def test_sections_must_be_mappings(text: str) -> None:
    with pytest.raises(SchemaError, match="not a mapping"):
        list(read_document(text, "f.yaml").sections("a"))
    with pytest.raises(SchemaError, match="is not a"):
        list(read_document(text, "f.yaml").items("a"))
