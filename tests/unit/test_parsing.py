"""What the standard parsers read is read the same; what overflows them is refused."""

from __future__ import annotations

import tomllib

import pytest

from pipeline.parsing import parse_json, parse_toml


def test_values_are_those_of_the_standard_parsers() -> None:
    assert parse_json(b'{"a": [1, "\\u00e9", null]}') == {"a": [1, "é", None]}
    assert parse_json('{"a": 1, "a": 2}', pairs=list) == [("a", 1), ("a", 2)]
    assert parse_toml('a = "x"\n[b]\nc = 1\n') == {"a": "x", "b": {"c": 1}}


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "{", b"\xff", "nul"])
def test_json_that_cannot_be_read_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "{b=" * 100_000, "a"])
def test_toml_that_cannot_be_read_is_an_error_of_its_parser(text: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        parse_toml(text)
