"""What nobody calls is deleted: every function, class and constant is used by the product itself.

Uses by tests do not count: code that only tests call is code that only tests need. The rule goes
by names, so one that is shared with something used stays unseen.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.rules.sources import ROOT, modules

CALLED_BY_LIBRARIES = {
    # logging
    "emit",
    "formatException",
    # click
    "format_commands",
    # http.server
    "do_GET",
    "do_HEAD",
    "log_message",
    # Beam: coders, restrictions, stages, the embedded runner
    "check_done",
    "create_tracker",
    "current_progress",
    "current_restriction",
    "estimate_size",
    "initial_restriction",
    "is_bounded",
    "restriction_coder",
    "restriction_size",
    "run_stages",
    "setup",
    "is_deterministic",
    "to_type_hint",
    "try_split",
    "add_value_provider_argument",
    # kafka-python
    "extensions",
    "_maybe_skip_record",
    "_unpack_records",
}
STILL_THERE = {
    "pipeline/io/state_folder.py: TOP_NAMES",  # the documentation is checked by it
}
"""Names that only tests use: this set only shrinks."""


def defined(tree: ast.Module) -> Iterator[str]:
    """The functions, classes and methods of a module that no decorator registers, and constants."""
    for node in ast.walk(tree):
        kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        if isinstance(node, kinds) and not _is_registered(node):
            yield node.name
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            yield from (name.id for name in statement.targets if isinstance(name, ast.Name))
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id


def _is_registered(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Whether a decorator hands the definition to somebody: `@group.command("list")`."""
    return any(".command" in ast.unparse(one) for one in node.decorator_list)


def used(tree: ast.Module) -> Iterator[str]:
    """Every name that a module reads, as a name, an attribute, an import or a text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from node.value.split() if len(node.value) < 100 else ()


def test_the_product_uses_everything_that_it_defines() -> None:
    trees = [module.tree for module in modules()]
    more = [ROOT / "setup.py", *ROOT.glob("deploy/**/*.py"), *ROOT.glob("benchmarks/**/*.py")]
    users = [*trees, *(ast.parse(path.read_text("utf-8")) for path in more)]
    known = {name for tree in users for name in used(tree)} | CALLED_BY_LIBRARIES
    unused = {
        f"{module.where}: {name}"
        for module in modules()
        if module.room != "api"  # others call it: tests/rules/test_api.py says what is in it
        for name in defined(module.tree)
        if name not in known and not name.startswith("__")
    }
    assert unused - STILL_THERE == set()


def test_the_rule_sees_what_nobody_uses() -> None:
    tree = ast.parse("LIMIT = 3\n\ndef one(): return two()\n\ndef two(): return 1\n")
    assert set(defined(tree)) - set(used(tree)) == {"LIMIT", "one"}
