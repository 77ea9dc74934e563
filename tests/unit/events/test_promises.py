"""Promises are read strictly: each once, each with its checks, nothing else beside them."""

from __future__ import annotations

import pytest

from pipeline.errors import SchemaError
from pipeline.events.promises import Promise, parse_promises

FIRST = "  - {id: P01, text: Nothing raw is stored, checks: [columns, tokens]}\n"
SECOND = "  - {id: P02, text: Opt-outs are kept, checks: [opted_out]}\n"


def test_promises_are_read_in_their_order_with_their_checks() -> None:
    assert parse_promises(f"promises:\n{SECOND}{FIRST}", "p.yaml") == (
        Promise("P02", "Opt-outs are kept", ("opted_out",)),
        Promise("P01", "Nothing raw is stored", ("columns", "tokens")),
    )


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (FIRST + FIRST, "listed twice"),
        ("  - {id: P01, text: Words, checks: []}\n", "no check"),
        ("  - {id: P01, text: Words}\n", "checks"),
        ("  - {id: P01, checks: [a]}\n", "text"),
        ("  - {text: Words, checks: [a]}\n", "id"),
        ("  - {id: P01, text: Words, checks: [a], owner: us}\n", "owner"),
    ],
)
def test_anything_else_does_not_load(entries: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message) as caught:
        parse_promises(f"promises:\n{entries}", "p.yaml")
    assert caught.value.where.startswith("p.yaml")


def test_a_document_holds_promises_and_nothing_else() -> None:
    with pytest.raises(SchemaError):
        parse_promises(f"promises:\n{FIRST}threats:\n{SECOND}", "p.yaml")
