"""JSON and TOML that anybody may have written: a value, or a ValueError.

The standard parsers call themselves for each level of nesting, and end with a RecursionError at
some hundred levels, which no reader of a damaged file expects. Here that is a ValueError as well.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from typing import Any

TOO_DEEP = "nested too deeply"


def parse_json(
    text: str | bytes, *, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None
) -> Any:
    """Return the value of a JSON text; objects are made by `pairs`. Raises ValueError.

    >>> parse_json(b"[" * 100_000)
    Traceback (most recent call last):
    json.decoder.JSONDecodeError: nested too deeply: line 1 column 1 (char 0)
    """
    try:
        return json.loads(text, object_pairs_hook=pairs)
    except RecursionError:
        raise json.JSONDecodeError(TOO_DEEP, "", 0) from None


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text. Raises tomllib.TOMLDecodeError, which is a ValueError.

    >>> parse_toml("a = " + "[" * 100_000)
    Traceback (most recent call last):
    tomllib.TOMLDecodeError: nested too deeply
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise tomllib.TOMLDecodeError(TOO_DEEP) from None
