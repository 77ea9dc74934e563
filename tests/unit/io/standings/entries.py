"""Entries of a list for tests: every shape that a standing has, as a line and as itself."""

from __future__ import annotations

import random

from pipeline.io.standings.entries import encode
from pipeline.privacy.optout import Standing

AT = 1_795_521_600_000_000
SHAPES = (
    Standing(((AT, None),)),
    Standing(((AT + 1, None),)),
    Standing(((5, 9), (AT, None))),
    Standing(((5, 9),)),
    Standing(erased_at=AT),
    Standing(((AT, None),), restricted=AT),
    Standing(),
)


def some_tokens(count: int, seed: int = 0) -> list[str]:
    """Return tokens, different ones."""
    draw = random.Random(seed)
    return [f"{draw.getrandbits(128):032x}" for _ in range(count)]


def some_standings(count: int, seed: int = 0) -> dict[str, Standing]:
    """Return standings of many shapes by token."""
    tokens = some_tokens(count, seed)
    return {token: SHAPES[(at + seed) % len(SHAPES)] for at, token in enumerate(tokens)}


def lines_of(standings: dict[str, Standing]) -> bytes:
    """Return them as a block of lines."""
    return b"".join(encode(token, one, AT).encode() + b"\n" for token, one in standings.items())
