"""Each thing is declared once and opened once: names in io/state_folder, openers in cli/wiring."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from pipeline.io import state_folder
from tests.rules.sources import Module, dotted, modules

OPENED = (
    "CountryDatabase",
    "EpochKind",
    "Holds",
    "Lake",
    "OptOutFile",
    "OptOutTopic",
    "OptOutTopicWriter",
    "Receipts",
    "ReleaseLedger",
    "RequestQueue",
    "RequestService",
    "open_keys",
)
"""What is opened from settings, and has one function that opens it."""
OWN = {
    "pipeline.privacy.identity.epochs": {"EpochKind"},  # a label says its kind
    "pipeline.io.geo": {"CountryDatabase"},  # a database is opened to be checked before its import
}
NAMES = {
    value for name, value in vars(state_folder).items() if name.isupper() and isinstance(value, str)
} - {state_folder.KEY_LOCK, state_folder.COUNTRIES}
"""The names below the state folder. Those without a dot are words of other meanings, too, so they
are sought where paths are put together; `.lock` is a suffix of many files, and the package has a
folder `geo`, too."""


def made(module: Module) -> Iterator[tuple[int, str]]:
    """Where a module calls an opener, or hands it to `partial`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            called = [node.func, *(node.args[:1] if dotted(node.func) == "partial" else [])]
            for name in map(dotted, called):
                if name in OPENED:
                    yield node.lineno, name


def test_things_are_opened_by_the_wiring_alone() -> None:
    broken = [
        f"{module.where}:{line} opens {name}"
        for module in modules()
        if not module.name.startswith("pipeline.cli.wiring.")
        for line, name in made(module)
        if name not in OWN.get(module.name, set())
    ]
    assert broken == []


@pytest.mark.parametrize("name", OPENED)
def test_a_thing_is_opened_in_one_place(name: str) -> None:
    places = [
        f"{module.where}:{line}"
        for module in modules()
        if module.name.startswith("pipeline.cli.wiring.")
        for line, found in made(module)
        if found == name
    ]
    assert len(places) == 1, places


def test_names_below_the_state_folder_are_written_in_one_place() -> None:
    broken = [
        f"{module.where}:{node.lineno} {node.value}"
        for module in modules()
        if module.name != "pipeline.io.state_folder"
        for node in written(module.tree)
        if node.value in NAMES
    ]
    assert broken == []


def written(tree: ast.Module) -> Iterator[ast.Constant]:
    """Every text with a dot in it, and every text at the right of a `/`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            yield node
        match node:
            case ast.BinOp(op=ast.Div(), right=ast.Constant() as name):
                yield name


def test_the_rule_sees_an_opener_in_a_partial() -> None:
    tree = ast.parse("partial(OptOutFile, path, key)")
    assert [name for _, name in made(_module(tree))] == ["OptOutFile"]


def _module(tree: ast.Module) -> Module:
    sample = modules()[0]
    return Module(sample.name, sample.path, sample.text, tree)
