"""The settings file as JSON Schema, for editors that complete and check TOML while it is written.

Made from the same declarations as the documentation. It is not a second check: `load` decides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from pipeline.settings.declared import Declaration, DeclaredKinds
from pipeline.settings.sections import Settings
from pipeline.settings.source import SourceSettings
from pipeline.settings.values import written

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The newest draft that editors' TOML extensions (taplo) know."""


def settings_schema(declared: DeclaredKinds) -> dict[str, object]:
    """The schema of `telemetry.toml`."""
    defaults = Settings()
    sections = {
        section.name: _section(values, declared.settings_of(values))
        for section in dataclasses.fields(Settings)
        if section.name != "sources"
        for values in [getattr(defaults, section.name)]
    }
    source = {
        **_section(SourceSettings(), declared.source_settings().values()),
        "anyOf": [{"required": ["event"]}, {"required": ["format"]}],
        "oneOf": [{"required": list(kind.NEEDS)} for kind in declared.sources],
    }
    return {
        "$schema": DIALECT,
        "title": "telemetry.toml",
        "description": "Settings of the telemetry pipeline.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "$schema": {"type": "string", "description": "Where this schema is, for editors."},
            **sections,
            "sources": {
                "type": "object",
                "description": "Inputs, one section each: [sources.NAME].",
                "additionalProperties": source,
            },
        },
    }


def _section(section: object, settings: Iterable[Declaration]) -> dict[str, object]:
    return {
        "type": "object",
        "description": (type(section).__doc__ or "").strip(),
        "additionalProperties": False,
        "properties": {one.name: {**one.type.shape, "description": _says(one)} for one in settings},
    }


def _says(setting: Declaration) -> str:
    text = written(setting.default)
    return f"{setting.says} Default: {text}." if text else setting.says
