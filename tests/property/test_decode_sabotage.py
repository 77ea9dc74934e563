"""The decode tests can fail: each check that is taken out is missed by the cases.

A check that no case misses is either not needed or not tested.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json as pj
import pytest

from pipeline.events import familiar, finish, lines, matching, numerals
from pipeline.events.decode import Decoder
from tests.property.decoding import SCHEMAS, VALID, assert_same, read_cases, slice_of

CASES = read_cases()
PARSE_OPTIONS = pj.ParseOptions
BLOCK_OF = matching.block_of


def nothing(*_: Any) -> None:
    """A check that finds no fault."""


def always(*arguments: Any) -> Any:
    """A check of bytes that finds them equal."""
    return np.ones(len(arguments[1]), np.bool_)


def lenient(**options: Any) -> pj.ParseOptions:
    """The parser's options, ignoring names that are not in its schema."""
    return PARSE_OPTIONS(**{**options, "unexpected_field_behavior": "ignore"})


def all_plain(found: lines.Lines) -> matching.Block:
    """A block in which backslashes and control characters were not noticed."""
    block = BLOCK_OF(found)
    block.plain[:] = True
    return block


PARSER, FAMILIAR = 10**9, 1
SABOTAGE: list[tuple[int, Any, str, Callable[..., Any]]] = [
    (PARSER, finish, "_doubt_numbers", nothing),
    (PARSER, finish, "_doubt_lists", nothing),
    (PARSER, finish, "_doubt_others", nothing),
    (PARSER, finish, "_without_empty", lambda array: array),
    (PARSER, finish, "_signals", lambda array: array),
    (PARSER, lines, "_exclude", nothing),
    (PARSER, lines, "_is_utf8", lambda *_: True),
    (PARSER, pj, "ParseOptions", lenient),
    (FAMILIAR, matching, "_equal", always),
    (FAMILIAR, matching, "_same_sizes", lambda *found: always(None, found[2].rows)),
    (FAMILIAR, matching, "_same_constants", lambda *found: always(None, found[2].rows)),
    (FAMILIAR, numerals, "_all_plain", lambda *_: True),
    (FAMILIAR, familiar, "block_of", all_plain),
    (FAMILIAR, finish, "_without_empty", lambda array: array),
    (FAMILIAR, finish, "_doubt_lists", nothing),
]


def decode_everything() -> None:
    """Each case between ordinary messages, by one decoder that has learned all their names."""
    for event, valid in VALID.items():
        decoder = Decoder(SCHEMAS[event])
        ordinary = json.dumps(valid).encode()
        cases = [case.message for case in CASES if case.event == event]
        assert_same(slice_of(event, cases), decoder=decoder)
        for message in cases:
            assert_same(slice_of(event, [ordinary, ordinary, message, ordinary]), decoder=decoder)


@pytest.mark.parametrize("least", [PARSER, FAMILIAR], ids=["parser", "familiar"])
def test_nothing_is_missed_with_every_check_in_place(
    least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(familiar, "MIN_MESSAGES", least)
    decode_everything()


@pytest.mark.parametrize(
    ("least", "module", "name", "sabotage"),
    SABOTAGE,
    ids=[f"{module.__name__.split('.')[-1]}.{name}-{least}" for least, module, name, _ in SABOTAGE],
)
def test_a_check_that_is_taken_out_is_missed(
    least: int,
    module: Any,
    name: str,
    sabotage: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(familiar, "MIN_MESSAGES", least)
    monkeypatch.setattr(module, name, sabotage)
    with pytest.raises((AssertionError, pa.ArrowException, IndexError, UnicodeDecodeError)):
        decode_everything()
