"""Files of a format: lines with traps and malformed ones among them, and what each must become."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from pipeline.events.formats.model import Format, Reads
from pipeline.events.model import Reason
from pipeline.io.package_data import load_format, load_schemas
from tests.formats.requests import CANARY, Request, requests
from tests.formats.writers import IIS_COLUMNS, WRITERS, Fields, otlp_line

SCHEMAS = load_schemas()
FORMATS = {name: load_format(name, SCHEMAS) for name in WRITERS}

HEADERS = {
    "cloudfront": ["#Version: 1.0", "#Fields: date time x"],
    "iis": ["#Software: IIS", "#Version: 1.0", "#Date: 2026-11-24 09:00:00"],
}


@dataclass(frozen=True)
class File:
    """Lines, and for each of them what its records are: the raw fields, or the reason."""

    lines: list[bytes]
    expected: list[list[Fields | Reason]]


def file_of(name: str, count: int, *, seed: int = 1, malformed: float = 0.05) -> File:
    """So many requests in a format, and malformed lines beside them."""
    rng = random.Random(seed)
    format_ = FORMATS[name]
    file = File([], [])
    if format_.reads is Reads.W3C:
        for header in _headers(name, rng):
            _add(file, header)
    made = requests(count, seed)
    stop = 0
    while stop < count:
        start, stop = stop, stop + (rng.randrange(1, 9) if format_.reads is Reads.OTLP else 1)
        line, *fields = lines_of(name, made[start:stop], rng)
        text = line.encode()
        if name == "iis" and rng.random() < min(0.02, 8 / count):  # columns change within a file
            for header in _headers(name, rng):
                _add(file, header)
        _add(file, text + rng.choice([b"", b"", b"\r"]), *fields)
        if rng.random() < malformed:
            _add(file, *_malformed(text, format_, rng))
    return file


def lines_of(name: str, made: list[Request], rng: random.Random) -> tuple[Any, ...]:
    """A line, and the raw fields of each request in it."""
    written = [WRITERS[name](one, rng) for one in made]
    records = [text for text, _ in written]
    line = otlp_line(records) if name == "otlp" else records[0]
    return line, *(fields for _, fields in written)


def _add(file: File, line: bytes, *expected: Fields | Reason) -> None:
    file.lines.append(line)
    file.expected.append(list(expected))


def _headers(name: str, rng: random.Random) -> list[bytes]:
    if name == "iis":
        mark = "\ufeff" if rng.random() < 0.5 else ""
        return [text.encode() for text in (mark + HEADERS[name][0], f"#Fields: {IIS_COLUMNS}")]
    layout = FORMATS[name].layout
    return [b"#Version: 1.0", f"#Fields: {' '.join(layout.columns)}\r".encode()]


def _malformed(line: bytes, format_: Format, rng: random.Random) -> tuple[bytes, Reason]:
    is_json = format_.reads.is_json
    long = CANARY.encode() * 300
    choices = [
        (line[: len(line) // 2], Reason.NOT_JSON if is_json else Reason.NOT_IN_FORMAT),
        (CANARY.encode(), Reason.NOT_JSON if is_json else Reason.NOT_IN_FORMAT),
        (b" \t\r", Reason.EMPTY),
        (line + b" " * 65_536, Reason.TOO_LARGE),
        (line[:-3] + b"\0" + line[-3:], Reason.FORBIDDEN_CHARACTER),
        (line[:-3] + b"\xff" + line[-3:], Reason.NOT_UTF8),
        (
            b"\xef\xbb\xbf" + line,
            Reason.NOT_JSON if is_json else Reason.FORBIDDEN_CHARACTER,
        ),
    ]
    if is_json:
        choices += [
            (b'{"a":1,"\\u0061":2,' + line[1:], Reason.DUPLICATE_KEY),
            (b'{"x":"' + long + b'",' + line[1:], Reason.STRING_TOO_LONG),
            (b"[" + line + b"]", Reason.NOT_OBJECT),
        ]
    elif CANARY.encode() in line:
        choices.append((line.replace(CANARY.encode(), long, 1), Reason.STRING_TOO_LONG))
    return rng.choice(choices)
