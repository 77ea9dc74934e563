"""Messages: numbers agree with their nouns, and what is named can be shown where it is read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.rules.sources import modules

NOUNS = (
    *("account", "byte", "canary", "cell", "column", "commit", "day", "epoch", "event", "figure"),
    *("file", "folder", "identifier", "key", "line", "message", "metric", "partition"),
    *("problem", "purge", "receipt", "request", "row", "setting", "shard", "slice", "standing"),
    *("table", "text", "token", "value", "warning", "window", "worker"),
)
PLURAL = re.compile(rf"^ (?:{'|'.join(NOUNS)})(?:s|ies)\b(?!/)")
PAGE = re.compile(r"\bdocs/[\w-]+\.md\b")
ALWAYS_MANY = {"rule['accounts']"}
"""Expressions that are never 1; neither are constants."""


def texts(tree: ast.Module) -> Iterator[ast.JoinedStr]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr))


def bare_counts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and expression of each number that is put before a plural without looking at it."""
    for text in texts(tree):
        for number, after in zip(text.values, text.values[1:], strict=False):
            if (
                isinstance(number, ast.FormattedValue)
                and isinstance(after, ast.Constant)
                and PLURAL.match(str(after.value))
            ):
                yield text.lineno, ast.unparse(number.value)


def docstrings(tree: ast.Module) -> set[int]:
    """The constants that are documentation: no message."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def test_a_number_agrees_with_its_noun() -> None:
    broken = [
        f"{module.where}:{line} {{{expression}}}"
        for module in modules()
        for line, expression in bare_counts(module.tree)
        if expression not in ALWAYS_MANY and not expression.isupper()
    ]
    assert broken == []


def test_the_rule_sees_a_number_before_a_plural() -> None:
    tree = ast.parse(
        "f'{n} rows gone'; f'{counted(n, \"row\")} gone'; f'{n} rows/s'; f'{a} of {b}'"
    )
    assert list(bare_counts(tree)) == [(1, "n")]


def test_no_message_sends_a_reader_to_a_page_that_is_not_installed() -> None:
    ours = {"docs/troubleshooting.md", "docs/configuration.md", "docs/cli.md"}
    broken = []
    for module in modules():
        silent = docstrings(module.tree)
        broken += [
            f"{module.where}:{node.lineno}"
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in silent
            and set(PAGE.findall(node.value)) - ours
        ]
    assert broken == []
