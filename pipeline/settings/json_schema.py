"""The settings file as JSON Schema, for editors that complete and check TOML while it is written.

Made from the same declarations as the documentation. It is no second check: `load` decides.
"""

from __future__ import annotations

import dataclasses

from pipeline.settings.sections import Settings, SourceSettings
from pipeline.settings.values import written

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The newest draft that editors' TOML extensions (taplo) know."""


def settings_schema() -> dict[str, object]:
    """The schema of `telemetry.toml`."""
    defaults = Settings()
    sections = {
        section.name: _section(getattr(defaults, section.name))
        for section in dataclasses.fields(Settings)
        if section.name != "sources"
    }
    source = {
        **_section(SourceSettings()),
        "anyOf": [{"required": ["event"]}, {"required": ["format"]}],
        "oneOf": [{"required": ["files"]}, {"required": ["servers", "topic"]}],
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


def _section(defaults: object) -> dict[str, object]:
    return {
        "type": "object",
        "description": (type(defaults).__doc__ or "").strip(),
        "additionalProperties": False,
        "properties": {
            field.name: {
                **field.metadata["kind"].shape,
                "description": _says(field, getattr(defaults, field.name)),
            }
            for field in dataclasses.fields(defaults)  # type: ignore[arg-type]
        },
    }


def _says(field: dataclasses.Field[object], default: object) -> str:
    text = written(default)
    return f"{field.metadata['help']} Default: {text}." if text else field.metadata["help"]
