"""The operations of formats, value by value."""

from __future__ import annotations

import doctest

import pytest

from pipeline.events.formats import values
from pipeline.events.formats.model import Decoding, Part, Time, Unit
from pipeline.events.model import UNREADABLE


def test_the_examples_of_the_docstrings_hold() -> None:
    assert doctest.testmod(values).failed == 0


@pytest.mark.parametrize(
    ("text", "steps", "answer"),
    [
        ("a%20b", ["percent"], "a b"),
        ("Mozilla/5.0%2520(X)", ["percent", "percent"], "Mozilla/5.0 (X)"),
        ("100%", ["percent"], "100%"),
        ("%zz%4", ["percent"], "%zz%4"),
        ("a+b%2Bc", ["plus", "percent"], "a b+c"),
        (r"a\x22b\"c\\d\te", ["\\x"], 'a"b"c\\d\te'),
        (r"\xC3\xA9", ["\\x"], "é"),
        (r"\xC3", ["\\x"], UNREADABLE),
        ("%00", ["percent"], UNREADABLE),
        ("%ED%A0%80", ["percent"], UNREADABLE),
        ("end\\", ["\\x"], "end\\"),
    ],
)
def test_escapes_are_taken_away_once_for_each_step(
    text: str, steps: list[str], answer: str
) -> None:
    assert values.decoded(text, tuple(Decoding(step) for step in steps)) == answer


@pytest.mark.parametrize(
    ("text", "method", "path"),
    [
        ("GET /v1/me?a=b HTTP/1.1", "GET", "/v1/me"),
        ("GET /a b HTTP/1.1 HTTP/1.0", "GET", "/a b HTTP/1.1"),
        ("GET /v1/me", "GET", "/v1/me"),
        ("GET https://h:443/v1/me#x HTTP/2.0", "GET", "/v1/me"),
        ("GET http://h HTTP/1.1", "GET", "/"),
        ("OPTIONS * HTTP/1.1", "OPTIONS", None),
        ("CONNECT h:443 HTTP/1.1", "CONNECT", None),
        ("/v1/me?x", None, "/v1/me"),
        ("https://h/v1/me", None, "/v1/me"),
        ("", None, None),
        (r"\x16\x03\x01\x02 \xFF", None, None),
        ("GET  /x HTTP/1.1", None, None),
    ],
)
def test_a_request_line_has_a_method_and_a_path(
    text: str, method: str | None, path: str | None
) -> None:
    assert values.part_of(text, Part.METHOD) == method
    assert values.part_of(text, Part.PATH) == path


@pytest.mark.parametrize(
    ("text", "kinds", "micros"),
    [
        ("2024-05-01T10:20:30+02:00", ["rfc3339"], 1_714_551_630_000_000),
        ("01/May/2024:10:20:30 +0200", ["clf"], 1_714_551_630_000_000),
        ("01/Mai/2024:10:20:30 +0200", ["clf"], None),
        ("2024-05-01 08:20:30", ["date+time"], 1_714_551_630_000_000),
        ("2024-05-01T08:20:30.5", ["date+time"], 1_714_551_630_500_000),
        ("2024-05-01T08:20:30Z", ["date+time"], None),
        ("1714551630.2500009", ["unix_s"], 1_714_551_630_250_000),
        ("1714551630250", ["unix_ms"], 1_714_551_630_250_000),
        ("1714551630250.5", ["unix_ms"], 1_714_551_630_250_500),
        ("1714551630250000.9", ["unix_us"], 1_714_551_630_250_000),
        ("1714551630250000999", ["unix_ns"], 1_714_551_630_250_000),
        ("1714551630250000999", ["rfc3339", "unix_ns"], 1_714_551_630_250_000),
        ("9999999999999", ["unix_s"], None),
        ("1.7e9", ["unix_s"], None),
        ("-1", ["unix_s"], None),
    ],
)
def test_times_are_cut_to_microseconds(text: str, kinds: list[str], micros: int | None) -> None:
    assert values.time_of(text, tuple(Time(kind) for kind in kinds)) == micros


@pytest.mark.parametrize(
    ("text", "unit", "answer"),
    [
        ("0.005", Unit.S, 5.0),
        ("1.5e-05", Unit.S, 1.5e-05 * 1000),
        ("1500", Unit.US, 1.5),
        ("1500000", Unit.NS, 1.5),
        ("1.5s", Unit.MS, 1500.0),
        ("12ms", None, None),
        ("1e999", None, None),
        ("NaN", None, None),
        ("1_000", None, None),
        (" 1", None, None),
        ("-0.001", Unit.S, -1.0),
    ],
)
def test_numbers_are_plain_decimals(text: str, unit: Unit | None, answer: float | None) -> None:
    assert values.number(text, unit) == answer


def test_integers_have_64_bits() -> None:
    assert values.integer("9223372036854775807") == 2**63 - 1
    assert [values.integer(text) for text in ("9223372036854775808", "1.0", "+1", "", "٣")] == (
        [None] * 5
    )


@pytest.mark.parametrize("text", ["-", "NULL", "Undefined", "anonymous", " ", "\t"])
def test_placeholders_name_nobody(text: str) -> None:
    assert values.is_placeholder(text)
    assert not values.is_placeholder(f"{text}1")
