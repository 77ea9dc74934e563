"""The files that `telemetry init` writes: settings, catalogue and, if requested, schemas.

Their text is made of declared names, of words of closed lists and of what was typed on the
command line.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.events.catalogue import Route
from pipeline.io.package_data import packaged_documents, packaged_text

CATALOGUE, SCHEMAS = "catalogue", "schemas"
_TEMPLATE = "feature_use"
"""The packaged event that an operator's own schema is copied from."""

_SETTINGS = """\
# Settings of the telemetry pipeline: `telemetry config show` lists all of them with their origin.

[lake]
path = {lake}

# Keys, the opt-out list and receipts. Private; never a part of the lake. Back it up.
[state]
path = {state}

# What may be stored as it is. Look it through before the first run.
[catalogue]
directory = "catalogue"
"""
_OWN_SCHEMAS = """
[schemas]
directory = "schemas"
"""
_NO_SOURCE = """
# [sources.requests]
# files = ["access.log"]
# format = "nginx_combined"  # `telemetry schema formats` lists them
"""
_ROUTES = """\
# Routes: method and template. `{name}` matches one whole path segment.
# A path that matches none of them is stored as `/{unmatched}`. Literal segments win over `{name}`.
# Proposed by `telemetry init` from a sample: confirm them, and add those with words of your own.
routes:
"""


@dataclass(frozen=True, slots=True)
class Input:
    """One source of the settings."""

    event: str
    files: tuple[str, ...]
    format: str | None
    envelope: str | None

    def beside(self, folder: Path) -> Input:
        """Return it with its paths as seen from a file in `folder`."""

        def named(path: str) -> str:
            return path if Path(path).is_absolute() else os.path.relpath(path, folder)

        own = self.format is not None and self.format.endswith(".toml")
        return replace(
            self,
            files=tuple(map(named, self.files)),
            format=named(str(self.format)) if own else self.format,
        )


def settings_text(inputs: Sequence[Input], lake: str, state: str, *, own_schemas: bool) -> str:
    """Write the settings file."""
    text = _SETTINGS.format(lake=_quoted(lake), state=_quoted(state))
    if own_schemas:
        text += _OWN_SCHEMAS
    return text + ("".join(_sources(inputs)) or _NO_SOURCE)


def _sources(inputs: Sequence[Input]) -> Iterator[str]:
    taken: set[str] = set()
    for one in inputs:
        name = one.event if one.format is None else Path(one.format).stem
        name = re.sub(r"[^a-z0-9_]+", "_", name.lower())
        while name in taken:
            name += "_2"
        taken.add(name)
        lines = [f"[sources.{name}]", f"files = [{', '.join(map(_quoted, one.files))}]"]
        if one.format is None:
            lines.append(f"event = {_quoted(one.event)}")
        else:
            lines.append(f"format = {_quoted(one.format)}")
        if one.envelope is not None:
            lines.append(f"envelope = {_quoted(one.envelope)}")
        yield "\n" + "\n".join(lines) + "\n"


def catalogue_texts(
    routes: Sequence[Route], lists: Mapping[str, Sequence[str]]
) -> Mapping[str, str]:
    """Write the catalogue, by file name: the packaged one with the sample's values in place."""
    texts = {f"{name}.yaml": text for name, text in packaged_documents(CATALOGUE).items()}
    if routes:
        lines = (f"  - {route.method} {route.template}\n" for route in routes)
        texts["routes.yaml"] = _ROUTES + "".join(lines)
    for name, values in lists.items():
        lines = (f"  - {json.dumps(value)}\n" for value in values)
        note = "# Proposed by `telemetry init` from a sample: confirm them.\n"
        texts[f"{name}.yaml"] = f"{note}{name}:\n{''.join(lines)}"
    return texts


def schema_texts(own: str, events: Sequence[str]) -> Mapping[str, str]:
    """Write schemas, by path: a first version of the operator's own event, and packaged ones."""
    texts = {
        f"{event}/{name}.yaml": text
        for event in events
        for name, text in packaged_documents(event).items()
    }
    template = packaged_text(_TEMPLATE, "v1.yaml")
    note = (
        f"# A copy of {_TEMPLATE} to begin with: say what the event is, and which fields it has.\n"
    )
    texts[f"{own}/v1.yaml"] = note + re.sub(
        rf"^event: {_TEMPLATE}$", f"event: {own}", template, flags=re.M
    )
    return texts


def _quoted(text: str) -> str:
    """Write a text as TOML does."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
