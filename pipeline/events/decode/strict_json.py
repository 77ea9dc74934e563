"""Strict JSON: one message's bytes to values, under the limits that concern a message.

Part of the specification (see `strict`), and of the specification of formats. A refusal is a
`Reason`; no parser's exception, nor its text, leaves this module, because they hold the payload.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pipeline.events.model import Reason
from pipeline.events.schema import TEXT_LIMIT

MAX_SIZE: Final = 64 * 1024
MAX_DEPTH: Final = 6
MAX_KEYS: Final = 100
INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1

_BLANK = b" \t\r\n"
_INTEGER_DIGITS = 19
_BRACKETS = re.compile(rb'[\[{]|[\]}]|"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, repr=False)
class Written:
    """A number as it was written."""

    digits: str


Json = str | int | float | bool | None | Written | list["Json"] | dict[str, "Json"]


class Refused(Exception):
    """Carries a reason, and nothing else, out of the JSON parser."""

    def __init__(self, reason: Reason) -> None:
        super().__init__()
        self.reason = reason


def text_of(message: bytes) -> str:
    """The text of a message of any form; raises `Refused`."""
    if len(message) > MAX_SIZE:
        raise Refused(Reason.TOO_LARGE)
    if not message.strip(_BLANK):
        raise Refused(Reason.EMPTY)
    try:
        text = message.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(Reason.NOT_UTF8) from None
    if "\0" in text:
        raise Refused(Reason.FORBIDDEN_CHARACTER)
    return text


class StrictJson:
    """JSON text to values, with the limits that concern one message."""

    def __init__(
        self,
        *,
        depth: int = MAX_DEPTH,
        keys: int | None = None,
        text: int | None = None,
        as_written: bool = False,
    ) -> None:
        """`text` limits the bytes of a text; `as_written` returns numbers as `Written`."""
        self._keys = 0
        self._depth = depth
        self._most_keys = keys
        self._text = text
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_int=_as_written(_integer) if as_written else _integer,
            parse_float=_as_written(_float) if as_written else _float,
            parse_constant=_constant,
        )

    def read(self, message: bytes) -> Json:
        """The value of a message; raises `Refused`."""
        text = text_of(message)
        if message.count(b"{") + message.count(b"[") > self._depth:
            _check_depth(message, self._depth)
        value = self._parse(text)
        if b"\\u" in message or len(message) > TEXT_LIMIT:
            _check_texts(value, TEXT_LIMIT if self._text is None else self._text)
        return value

    def _parse(self, text: str) -> Json:
        self._keys = 0
        try:
            value: Json = self._decoder.decode(text)
        except ValueError:  # its text, position and `doc` show the payload: drop them here
            raise Refused(Reason.NOT_JSON) from None
        return value

    def _object(self, pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        self._keys += len(pairs)
        if self._keys > (MAX_KEYS if self._most_keys is None else self._most_keys):
            raise Refused(Reason.TOO_MANY_KEYS)
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Refused(Reason.DUPLICATE_KEY)
        return found


def _integer(digits: str) -> int:
    if len(digits) - (digits[0] == "-") > _INTEGER_DIGITS:
        raise Refused(Reason.NUMBER_OUT_OF_RANGE)
    number = int(digits)
    if not INT64_MIN <= number <= INT64_MAX:
        raise Refused(Reason.NUMBER_OUT_OF_RANGE)
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise Refused(Reason.NUMBER_OUT_OF_RANGE)
    return number


def _constant(_: str) -> float:
    raise Refused(Reason.NOT_JSON)  # NaN, Infinity, -Infinity


def _as_written(check: Callable[[str], float]) -> Callable[[str], Written]:
    def read(digits: str) -> Written:
        check(digits)
        return Written(digits)

    return read


def _check_depth(message: bytes, most: int) -> None:
    """Refuse deep nesting before the parser, which is recursive, meets it."""
    depth = 0
    for match in _BRACKETS.finditer(message):
        mark = match[0][:1]
        if mark in b"{[":
            depth += 1
            if depth > most:
                raise Refused(Reason.TOO_DEEP)
        elif mark in b"}]":
            depth -= 1


def _check_texts(value: Json, most: int) -> None:
    """Refuse NUL, lone surrogates and long texts, in values and names, declared or not."""
    if isinstance(value, str):
        if "\0" in value or _SURROGATE.search(value):
            raise Refused(Reason.FORBIDDEN_CHARACTER)
        if len(value) * 4 > most and len(value.encode("utf-8")) > most:
            raise Refused(Reason.STRING_TOO_LONG)
    elif isinstance(value, list):
        for item in value:
            _check_texts(item, most)
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_texts(name, most)
            _check_texts(item, most)
