"""Lines to named values, one at a time."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pipeline.events.decode.strict_json import Json, Refused
from pipeline.events.formats.lines import Lines
from pipeline.events.formats.model import Envelope, Format, Layout, Pattern, Reads
from pipeline.events.model import Reason

PATTERN = Pattern("", (("a", ' "'), ("b", '"')))


def format_(reads: str, envelope: str = "none", **layout: object) -> Format:
    made = Layout(**layout)  # type: ignore[arg-type]
    kinds = (Reads(reads), Envelope(envelope), made)
    return Format("own", "c", "api_request", 2, *kinds, (), 6, ())


def read(found: Format, *lines: bytes) -> list[list[dict[str, Json] | Reason] | Reason]:
    reader, answers = Lines(found, b""), []
    for line in lines:
        answer: list[dict[str, Json] | Reason] | Reason
        try:
            answer = reader.read(line)
        except Refused as refusal:
            answer = refusal.reason
        answers.append(answer)
    return answers


def test_a_quote_ends_a_value_unless_it_is_escaped() -> None:
    found = format_("pattern", patterns=(PATTERN,))
    assert read(found, rb'x "y\"z\\"', rb'x "y\"', b'x "y" ', b"x", b"\r") == [
        [{"a": "x", "b": r"y\"z\\"}],
        *[Reason.NOT_IN_FORMAT] * 3,
        Reason.EMPTY,
    ]


def test_the_first_pattern_that_fits_counts() -> None:
    patterns = (PATTERN, Pattern("", (("a", "|"), ("c", ""))))
    assert read(format_("pattern", patterns=patterns), b"x|y", b'x "|"') == [
        [{"a": "x", "c": "y"}],
        [{"a": "x", "b": "|"}],
    ]


def test_columns_in_quotes_may_hold_spaces() -> None:
    found = format_("quoted", columns=("a", "b"), least=2)
    assert read(found, b'x "y z" more', b"x", b'x "y', b'x "y"z', b"x \r") == [
        [{"a": "x", "b": "y z", " 2": "more"}],
        *[Reason.NOT_IN_FORMAT] * 3,
        [{"a": "x", "b": ""}],
    ]


def test_comments_of_a_w3c_log_name_the_columns_of_what_follows() -> None:
    found = format_("w3c")
    lines = (b"1 2", b"\xef\xbb\xbf#Fields: a b\r", b"#Date: x", b"1 2", b"1", b"#Fields: c", b"1")
    assert read(found, *lines) == [
        Reason.NOT_IN_FORMAT,
        [],
        [],
        [{"a": "1", "b": "2"}],
        Reason.NOT_IN_FORMAT,
        [],
        [{"c": "1"}],
    ]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"\xef\xbb\xbf1", Reason.FORBIDDEN_CHARACTER),
        (b"1\0", Reason.FORBIDDEN_CHARACTER),
        (b"\xff", Reason.NOT_UTF8),
        (b"1" * 2049, Reason.STRING_TOO_LONG),
        (b"1" * 65537, Reason.TOO_LARGE),
        (b"1\r", [{"a": "1"}]),
    ],
)
def test_what_a_message_may_not_hold_a_line_may_not_hold(line: bytes, answer: object) -> None:
    assert read(format_("tsv", columns=("a",), separator="\t"), line) == [answer]


def test_envelopes_are_taken_off_and_pieces_of_lines_refused() -> None:
    plain = format_("tsv", columns=("a",), separator="\t")
    cri = replace(plain, envelope=Envelope.CRI)
    lines = (b"t stdout F x\r", b"t stdout P x", b"t other F x", b"x", b"t stdout F ")
    assert read(cri, *lines) == [
        [{"a": "x"}],
        *[Reason.NOT_IN_FORMAT] * 3,
        Reason.EMPTY,
    ]
    docker = replace(plain, envelope=Envelope.DOCKER)
    documents: list[object] = [{"log": "x\r\n"}, {"log": "x"}, {}, []]
    texts = [json.dumps(one).encode() for one in documents]
    assert read(docker, *texts, b"x") == [
        [{"a": "x"}],
        *[Reason.NOT_IN_FORMAT] * 2,
        Reason.NOT_OBJECT,
        Reason.NOT_JSON,
    ]


def test_a_line_in_an_envelope_may_be_longer_than_a_text() -> None:
    docker = format_("json", envelope="docker")
    inner = json.dumps({"a": "x" * 2000, "b": "y" * 2000})
    assert read(docker, json.dumps({"log": f"{inner}\n"}).encode()) == [[json.loads(inner)]]
