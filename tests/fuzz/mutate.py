"""Messages that nobody would send: mutations of real ones, by a seeded generator.

Bytes are changed at random places, pieces of JSON are put where others were, and two messages are
crossed. Everything follows from the seed.
"""

from __future__ import annotations

import json
import random
import re
from typing import Any

from tests.property.decoding import VALID, read_cases, two_versions

PIECES = [
    *(
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b" ",
        b"\t",
        b"\r",
        b"\x00",
        b"\x1f",
        b"\x7f",
    ),
    *(b"\\u", b"\\u0000", b"\\ud800", b"\\udc00", b"\\ud83d\\ude00", b"\\u0061", b"\\n", b"\\x"),
    *(b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", "é€😀".encode(), b"\xef\xbb\xbf"),
    *(b"null", b"true", b"false", b"nul", b"NaN", b"-Infinity", b"0", b"-0", b"-0.0", b"01", b"1."),
    *(b".5", b"1e5", b"1E+400", b"-1e-400", b"9223372036854775807", b"9223372036854775808"),
    *(b"-9223372036854775808", b"-9223372036854775809", b"99999999999999999999", b"0.1e1", b"1e"),
    *(b"123456789012345678.5", b"9007199254740993", b"9007199254740993.0", b"4.9e-324", b"2.5e22"),
    *(b'""', b'"1"', b'"0, 1"', b'" 1\\t"', b'["1", null, ""]', b"[[1]]", b'{"a":{"b":[]}}', b"{}"),
    *(b'"2026-05-01T10:20:30Z"', b'"2026-05-01t23:59:60.1234567-23:59"', b'"1969-12-31T23:59:59Z"'),
    *(b'"2024-02-29"', b'"2023-02-29"', b'"9999-12-31"', b'"0000-01-01"', b'"2026-5-1"', b"[" * 7),
    *(b'"' + b"x" * 2048 + b'"', b'"' + b"x" * 2049 + b'"', "é".encode() * 1025, b'{"x":1,"x":2}'),
]
_VALUE = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null|\[[^\[\]{}]*\]')


def seeds(event: str) -> list[bytes]:
    """Where mutation starts: the hand-written cases, and messages with every field."""
    found = [
        case.message for case in read_cases() if case.event == event and len(case.message) < 6000
    ]
    for version, schema in enumerate(two_versions(event), start=1):
        message: dict[str, Any] = {**VALID[event], "version": version, "weight": "1"}
        found.append(json.dumps(message).encode())
        for field in schema.fields:
            message.setdefault(field.name, "x")
        found.append(json.dumps(message, separators=(",", ":")).encode())
    return found


class Scrambler:
    """Makes texts from a pool by changing bytes, whatever they mean."""

    def __init__(self, pool: list[bytes], seed: int) -> None:
        self._random = random.Random(seed)
        self.pool = pool

    def message(self) -> bytes:
        """One message: a member of the pool, a few times changed."""
        message = self._random.choice(self.pool)
        for _ in range(self._random.choice((0, 1, 1, 1, 2, 3, 6))):
            message = self._change(message)
        return message[:70_000]

    def _change(self, message: bytes) -> bytes:
        return self._scrambled(message, self._random.randrange(5))

    def _scrambled(self, message: bytes, kind: int) -> bytes:
        draw = self._random
        start = draw.randrange(len(message) + 1)
        stop = min(len(message), start + draw.choice((0, 1, 1, 2, 4, 9, 30)))
        if kind == 0:
            return message[:start] + draw.choice(PIECES) + message[stop:]
        if kind == 1:
            return message[:start] + bytes([draw.randrange(256)]) + message[start + 1 :]
        if kind == 2:
            return message[:start] + message[stop:]
        if kind == 3:
            return message[:start] + message[start:stop] * 2 + message[stop:]
        other = draw.choice(self.pool)
        return message[:start] + other[draw.randrange(len(other) + 1) :]


class Mutator(Scrambler):
    """Makes messages of one event from a pool that grows by what turned out to be new."""

    def __init__(self, event: str, corpus: list[bytes], seed: int) -> None:
        super().__init__([*seeds(event), *corpus], seed)
        names = {field.name for schema in two_versions(event) for field in schema.fields}
        self._names = [*sorted(names), "x", "", "trace_id", "Event", "é"]

    def _change(self, message: bytes) -> bytes:
        draw = self._random
        kind = draw.randrange(8)
        if kind < 5:
            return self._scrambled(message, kind)
        if kind == 5:
            return self._exchange(message)
        name = json.dumps(draw.choice(self._names), ensure_ascii=draw.random() < 0.5).encode()
        member = name + draw.choice((b":", b": ", b" :")) + draw.choice(PIECES)
        at = message.rfind(b"}") if kind == 6 else message.find(b"{") + 1
        at = max(at, 0)
        comma = (b",", b"") if kind == 6 else (b"", b",")
        return message[:at] + comma[0] + member + comma[1] + message[at:]

    def _exchange(self, message: bytes) -> bytes:
        """Put another value where one is."""
        values = list(_VALUE.finditer(message))
        if not values:
            return message
        chosen = self._random.choice(values)
        return message[: chosen.start()] + self._random.choice(PIECES) + message[chosen.end() :]
