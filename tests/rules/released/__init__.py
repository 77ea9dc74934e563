"""What the last release stored, and what writes it down when a release is made.

python -m tests.rules.released      before the tag: what is stored now is a promise from then on
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.events.schema import EventSchema
from pipeline.io.lake.rejection_table import STORED

SNAPSHOT = Path(__file__).with_name("columns.json")
Tables = Mapping[str, Mapping[str, str]]
"""Of each table, its columns in order: type, null or not, unit, and list or shape of texts."""


def stored(schemas: Mapping[str, tuple[EventSchema, ...]]) -> Tables:
    """Every table as the newest schemas store it, and what each version of an event may carry."""
    tables: dict[str, dict[str, str]] = {}
    for event, versions in sorted(schemas.items()):
        tables[event] = {
            one.name: f"{one.type}{'' if one.nullable else ' not null'}, {one.unit}, {one.values}"
            for one in versions[-1].columns
        }
        for schema in versions:
            tables[f"{event}, raw fields of version {schema.version}"] = {
                one.name: f"{one.type.value}{', required' if one.required else ''}"
                for one in schema.fields
            }
    tables["rejections"] = {
        one.name: f"{one.type}{'' if one.nullable else ' not null'}" for one in STORED
    }
    return tables


def written(release: str, tables: Tables) -> str:
    """The snapshot of a release as text."""
    return json.dumps({"release": release, "tables": tables}, indent=1) + "\n"
