"""Find each setting's value, by precedence, and build the frozen `Settings`."""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipeline.errors import SettingsError
from pipeline.settings.sections import Settings, SourceSettings
from pipeline.settings.values import Kind, Refused

PROJECT_FILE = "telemetry.toml"
PREFIX = "TELEMETRY_"

_SECTIONS = {
    field.name: type(getattr(Settings(), field.name))
    for field in dataclasses.fields(Settings)
    if field.name != "sources"
}
_SHORT = {"TELEMETRY_LAKE": "lake.path", "TELEMETRY_STATE": "state.path"}
_DOCUMENTED = "See docs/configuration.md"


def variable(section: str, key: str) -> str:
    """The environment variable of a setting."""
    names = {dotted: name for name, dotted in _SHORT.items()}
    return names.get(f"{section}.{key}", f"{PREFIX}{section}_{key}".upper())


def has_variable(section: str, key: str) -> bool:
    """Whether a setting can be given by the environment: sources and tables cannot."""
    return section in _SECTIONS and (section, key) != ("lake", "storage")


def load_settings(
    config: Path | None = None,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read all settings.

    `config` is a settings file; without one, `TELEMETRY_CONFIG` and then `telemetry.toml` in the
    working directory are used if they exist. `flags` holds values of the command line by dotted
    name (`lake.path`); None means not given. `environ` defaults to the process environment.
    Relative paths of a file start at the file's folder, all others at the working directory.
    Raises SettingsError that names the setting, and suggests the nearest name for an unknown one.
    """
    environ = os.environ if environ is None else environ
    document, where, base = _document(config, environ)
    chosen: dict[str, dict[str, object]] = {name: {} for name in _SECTIONS}
    sources = _from_document(document, where, base, chosen)
    _from_environment(environ, chosen)
    for dotted, value in (flags or {}).items():
        if value is not None:
            section, _, key = dotted.partition(".")
            chosen[section][key] = _read(section, key, value, f"flag for {dotted}")
    made: dict[str, Any] = {name: _SECTIONS[name](**values) for name, values in chosen.items()}
    return Settings(**made, sources=MappingProxyType(sources))


def _document(
    config: Path | None, environ: Mapping[str, str]
) -> tuple[Mapping[str, object], str, Path]:
    named = config or (Path(environ["TELEMETRY_CONFIG"]) if "TELEMETRY_CONFIG" in environ else None)
    file = named or Path(PROJECT_FILE)
    if named is None and not file.exists():
        return {}, PROJECT_FILE, Path()
    try:
        return tomllib.loads(file.read_text("utf-8")), str(file), file.parent
    except OSError as error:
        raise SettingsError(
            "the settings file cannot be read",
            where=str(file),
            why=type(error).__name__,
            remedy="Check the path given by --config or TELEMETRY_CONFIG",
        ) from None
    except UnicodeDecodeError:
        raise SettingsError("the settings file is not UTF-8 text", where=str(file)) from None
    except tomllib.TOMLDecodeError as error:
        # The parser's message describes syntax; only its position is sure to hold no value.
        position = str(error).rpartition("(at ")[2].rstrip(")")
        raise SettingsError(
            "the settings file is not TOML",
            where=f"{file}, {position}",
            remedy='Write name = "text", name = 5 or name = ["a", "b"] below a [section]',
        ) from None


def _from_document(
    document: Mapping[str, object], where: str, base: Path, chosen: dict[str, dict[str, object]]
) -> dict[str, SourceSettings]:
    sources: dict[str, SourceSettings] = {}
    for section, table in document.items():
        if section != "sources" and section not in _SECTIONS:
            raise _unknown(section, (*_SECTIONS, "sources"), f"{where}: [{section}]", "section")
        if not isinstance(table, dict):
            raise SettingsError(
                f"{section!r} is a section, not a value",
                where=where,
                remedy=f"Write [{section}] on a line of its own and its settings below",
            )
        if section == "sources":
            for name, entries in table.items():
                sources[name] = _source(name, entries, where, base)
            continue
        for key, value in table.items():
            place = f"{where}: {section}.{key}"
            chosen[section][key] = _below(base, _read(section, key, value, place), section, key)
    return sources


def _source(name: str, entries: object, where: str, base: Path) -> SourceSettings:
    place = f"{where}: [sources.{name}]"
    if not isinstance(entries, dict):
        raise SettingsError(
            "a source is a section of its own", where=place, remedy="Write [sources.NAME]"
        )
    values: dict[str, Any] = {}
    kinds = _kinds(SourceSettings)
    for key, value in entries.items():
        if key not in kinds:
            raise _unknown(key, kinds, f"{place}.{key}", "setting")
        values[key] = _checked(kinds[key], value, f"{where}: sources.{name}.{key}")
    source = SourceSettings(**values)
    if not source.event:
        raise SettingsError(
            "the source has no event", where=place, remedy='Add event = "api_request"'
        )
    by_file, by_topic = bool(source.files), bool(source.servers and source.topic)
    if by_file == by_topic or (by_file and (source.servers or source.topic)):
        raise SettingsError(
            "a source is either files, or servers and a topic",
            where=place,
            remedy='Give files = ["path"], or servers = ["host:9092"] and topic = "name"',
        )
    files = tuple(_from_base(base, file) for file in source.files)
    return dataclasses.replace(source, files=files)


def _from_environment(environ: Mapping[str, str], chosen: dict[str, dict[str, object]]) -> None:
    known = {
        variable(section, key): (section, key)
        for section, kind in _SECTIONS.items()
        for key in _kinds(kind)
        if has_variable(section, key)
    }
    for name, value in environ.items():
        if name in known:
            section, key = known[name]
            chosen[section][key] = _read(section, key, value, f"environment: {name}")
        elif name.startswith(tuple(f"{PREFIX}{section}_".upper() for section in _SECTIONS)):
            # A misspelt privacy setting must not be passed over: its default could be looser.
            raise _unknown(name, known, f"environment: {name}", "variable")


def _kinds(section: type) -> dict[str, Kind]:
    return {field.name: field.metadata["kind"] for field in dataclasses.fields(section)}


def _read(section: str, key: str, value: object, where: str) -> object:
    kinds = _kinds(_SECTIONS[section])
    if key not in kinds:
        raise _unknown(key, kinds, where, "setting")
    return _checked(kinds[key], value, where)


def _checked(kind: Kind, value: object, where: str) -> object:
    try:
        return kind.read(value)
    except Refused as refusal:
        raise SettingsError(str(refusal), where=where, remedy=_DOCUMENTED) from None


def _below(base: Path, value: object, section: str, key: str) -> object:
    """Relative paths of a settings file start at the file's folder."""
    if isinstance(value, Path):
        return base / value
    return _from_base(base, str(value)) if (section, key) == ("lake", "path") else value


def _from_base(base: Path, value: str) -> str:
    return value if "://" in value else str(base / Path(value).expanduser())


def _unknown(name: str, known: Iterable[str], where: str, what: str) -> SettingsError:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return SettingsError(
        f"there is no {what} of this name",
        where=where,
        remedy=f"Did you mean {near[0]}?" if near else _DOCUMENTED,
    )


def wants_color(environ: Mapping[str, str] | None = None) -> bool:
    """Whether output may be coloured: not if `NO_COLOR` is set to anything."""
    return not (os.environ if environ is None else environ).get("NO_COLOR")
