"""A public class has a name of its own: whoever reads it need not ask which one is meant."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.rules.sources import modules

FORMATS = "formats say it of lines, and never meet the other"
FORM = "a treatment is called as its form in a schema file"
DELTA = "the log of a table says it of its own entries, inside io/delta"
SHARED: dict[str, str] = {
    "Content": "bytes of one open file that is read, or of a file of a folder that is searched",
    "Drop": FORM,
    "Holds": "holds of the law; what a place below a folder holds, inside ops/scan",
    "Layout": FORMATS,
    "Lines": FORMATS,
    "Reader": FORMATS,
    "Route": FORM,
    "Rule": FORMATS,
    "Step": "a stage of the graph; the span that a collector of traces gets of it",
    "Verdict": DELTA,
}
"""Names of two classes, and why that misleads nobody."""


def declared() -> dict[str, set[str]]:
    """Every public class's name with the modules that declare it."""
    found: dict[str, set[str]] = defaultdict(set)
    for module in modules():
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].add(module.name)
    return found


def test_no_two_public_classes_have_one_name() -> None:
    """Protocols of `flow.ports` are called like the classes of `io` that fulfil them."""
    twice = {
        name for name, places in declared().items() if len(places - {"pipeline.flow.ports"}) > 1
    }
    assert twice - set(SHARED) == set()


def test_every_exception_is_one() -> None:
    found = declared()
    assert {name for name in SHARED if len(found[name]) < 2} == set()
