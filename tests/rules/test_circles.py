"""Imports form no circle: neither between modules, nor between the packages of a room."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from tests.rules.sources import modules

DEEPEST = 6
"""Longest chain of imports among the packages of one room, and among the modules of one package."""


def names(tree: ast.Module, lazy: bool) -> Iterator[str]:
    """What a module imports when it runs; with `lazy` also what its functions import."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not lazy:
            continue
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        waiting += ast.iter_child_nodes(node)


def imports(lazy: bool) -> dict[str, set[str]]:
    """Every module of the package with the modules of ours that it imports."""
    known = {module.name for module in modules()}

    def module_of(name: str) -> str:
        while name and name not in known:
            name = name.rpartition(".")[0]
        return name

    return {
        module.name: {module_of(n) for n in names(module.tree, lazy) if n.startswith("pipeline.")}
        - {module.name, ""}
        for module in modules()
    }


def package(name: str) -> str:
    """`pipeline.io.lake` for `pipeline.io.lake.table`; a module of a room stands for itself."""
    parts = name.split(".")
    return ".".join(parts[:3]) if len(parts) > 3 else name


def room(name: str) -> str:
    """`io` for `pipeline.io.lake.table`."""
    return [*name.split("."), ""][1]


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """A circle of the graph; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def depth(graph: Mapping[str, set[str]]) -> int:
    """The number of nodes on the longest path of a graph without circles."""
    longest: dict[str, int] = {}
    for node in TopologicalSorter(graph).static_order():
        longest[node] = 1 + max((longest[other] for other in graph.get(node, ())), default=0)
    return max(longest.values(), default=0)


def between_packages() -> dict[str, dict[str, set[str]]]:
    """For each room: which of its packages imports which when it is loaded."""
    found: dict[str, dict[str, set[str]]] = {}
    for name, others in imports(lazy=False).items():
        own = found.setdefault(room(name), {}).setdefault(package(name), set())
        own |= {package(o) for o in others if room(o) == room(name)} - {package(name)}
    return found


def test_no_module_imports_itself_by_a_detour() -> None:
    assert circle(imports(lazy=True)) == []


def test_the_packages_of_a_room_import_in_one_direction() -> None:
    assert {name: found for name, g in between_packages().items() if (found := circle(g))} == {}


def test_rooms_and_packages_are_shallow() -> None:
    deep = {name: d for name, g in between_packages().items() if (d := depth(g)) > DEEPEST}
    loaded = imports(lazy=False)
    for one in {package(name) for name in loaded}:
        inside = {n: {o for o in os if package(o) == one} for n, os in loaded.items()}
        chain = depth({n: os for n, os in inside.items() if package(n) == one})
        if chain > DEEPEST:
            deep[one] = chain
    assert deep == {}


def test_the_rule_sees_a_circle_and_counts_levels() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) != []
    assert depth({"a": {"b"}, "b": {"c"}, "c": set()}) == 3
