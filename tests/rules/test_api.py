"""The contract of `pipeline.api`, literally. What is taken away here breaks somebody's program."""

from __future__ import annotations

import dataclasses
import inspect

from pipeline import api
from tests.rules.sources import ROOT

CONTRACT = {
    "Anonymized": "read rows rejected dropped nulled",
    "Anonymizer": "batch(rows) close() lines(text) schema",
    "LakeReader": "close() connection() dataset(table) sql(query) tables",
    "Settings": "",
    "TelemetryError": "",
    "load_settings": "(config=None, flags=None, environ=None)",
    "open_anonymizer": "(event=None, *, format=None, envelope=None, settings=None, trial=False, "
    "backfill=False, now=None)",
    "open_lake": "(settings=None, *, now=None)",
    "schemas": "(settings=None)",
}
"""Adding a name or a parameter with a default is a minor version; anything else is a major one."""


def parameters(function: object) -> str:
    """The parameters of a function with their defaults, less `self` and the types."""
    assert callable(function)
    signature = inspect.signature(function)
    bare = [
        one.replace(annotation=inspect.Parameter.empty)
        for name, one in signature.parameters.items()
        if name != "self"
    ]
    return str(inspect.Signature(bare))


def members(kind: type) -> str:
    """The public names of a class, methods with their parameters."""
    if dataclasses.is_dataclass(kind):
        return " ".join(field.name for field in dataclasses.fields(kind))
    found = {name: value for name, value in vars(kind).items() if not name.startswith("_")}
    return " ".join(
        name + (parameters(value) if inspect.isfunction(value) else "")
        for name, value in sorted(found.items())
    )


def test_the_api_is_what_the_contract_says() -> None:
    found = {}
    for name in api.__all__:
        value = getattr(api, name)
        if not inspect.isclass(value):
            found[name] = parameters(value)
        else:
            found[name] = members(value) if value.__module__.startswith("pipeline.api") else ""
    assert found == CONTRACT


def test_every_name_of_the_contract_is_documented() -> None:
    text = (ROOT / "docs" / "api.md").read_text("utf-8")
    names = [*CONTRACT]
    names += [f".{one.split('(')[0]}" for words in CONTRACT.values() for one in words.split()
              if words and not words.startswith("(")]  # fmt: skip
    assert [name for name in names if name not in text] == []


def test_functions_of_the_api_have_examples_that_run() -> None:
    bare = [
        name
        for name in api.__all__
        if inspect.isfunction(getattr(api, name))
        and getattr(api, name).__module__.startswith("pipeline.api")
        and ">>> " not in (inspect.getdoc(getattr(api, name)) or "")
    ]
    assert bare == []
