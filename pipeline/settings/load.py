"""Find each setting's value, by precedence, and build the frozen `Settings`."""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import SettingsError
from pipeline.parsing import parse_toml
from pipeline.settings.declared import DeclaredKinds
from pipeline.settings.lines import Place, lines_of
from pipeline.settings.sections import Settings
from pipeline.settings.source import SourceSettings, kind_of
from pipeline.settings.table import Table
from pipeline.settings.values import ValueRefused, ValueType

PROJECT_FILE = "telemetry.toml"
PREFIX = "TELEMETRY_"
FORMAT_FILE = ".toml"
"""What a format given by its path ends with; anything else is the name of a packaged one."""

_SECTIONS = {
    field.name: type(getattr(Settings(), field.name))
    for field in dataclasses.fields(Settings)
    if field.name != "sources"
}
_SHORT_FLAGS = {"lake.path": "--lake", "state.path": "--state"}
_SHORT = {"TELEMETRY_LAKE": "lake.path", "TELEMETRY_STATE": "state.path"}
_DOCUMENTED = "telemetry config schema lists what can be set; so does docs/configuration.md"
_EDITORS = "$schema"
"""Names the schema for editors, and is not a setting."""
_TABLES = {
    ("lake", "storage"),
    ("dashboard", "labels"),
    ("dashboard", "tiles"),
    ("kafka", "token_extensions"),
}


def variable(section: str, key: str) -> str:
    """The environment variable of a setting."""
    names = {dotted: name for name, dotted in _SHORT.items()}
    return names.get(f"{section}.{key}", f"{PREFIX}{section}_{key}".upper())


def has_variable(section: str, key: str) -> bool:
    """Whether a setting can come from the environment: sources and tables cannot."""
    return section in _SECTIONS and (section, key) not in _TABLES


@dataclass(frozen=True, slots=True)
class Trace:
    """Settings as far as they could be read, where each value is from, and what is wrong."""

    settings: Settings
    origins: Mapping[str, str]
    """By dotted name, for whatever is not the default."""
    problems: tuple[SettingsError, ...]
    file: str | None
    """The settings file that was read; None without one."""


def load_settings(
    declared: DeclaredKinds,
    config: Path | None = None,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read all settings.

    `declared` holds the kinds of source and the stores of keys (`pipeline.cli.declared`).
    `config` is a settings file; without one, `TELEMETRY_CONFIG` and then `telemetry.toml` in the
    working directory are used if they exist. `flags` holds values of the command line by dotted
    name (`lake.path`); None means not given. `environ` defaults to the process environment.
    Relative paths of a file start at the file's folder, all others at the working directory.
    Raises SettingsError that names the setting, and suggests the nearest name for an unknown one.
    """
    trace = trace_settings(declared, config, flags, environ)
    if trace.problems:
        raise trace.problems[0]
    return trace.settings


def trace_settings(
    declared: DeclaredKinds,
    config: Path | None = None,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Trace:
    """Read all settings as `load_settings` does, and say where each is from.

    What cannot be read is among the problems, and has its default. Raises SettingsError only for
    a file that is not TOML.
    """
    environ = os.environ if environ is None else environ
    file = _settings_file(config, environ)
    reading = _Reading(declared)
    if file is not None:
        text = _text_of(file)
        reading.document(_parsed(text, file), _File(file, text))
    reading.environment(environ)
    for dotted, value in (flags or {}).items():
        if value is not None:
            section, _, key = dotted.partition(".")
            with reading.noting_problems():
                flag = f"flag {_SHORT_FLAGS.get(dotted) or '--' + dotted.replace('.', '-')}"
                reading.set(section, key, value, flag, flag)
    return reading.trace(None if file is None else str(file))


def _settings_file(config: Path | None, environ: Mapping[str, str]) -> Path | None:
    named = config or (Path(environ["TELEMETRY_CONFIG"]) if "TELEMETRY_CONFIG" in environ else None)
    file = named or Path(PROJECT_FILE)
    return None if named is None and not file.exists() else file


def _text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise SettingsError(
            "the settings file cannot be read",
            where=str(file),
            why=(error.strerror or type(error).__name__).lower(),
            remedy="Check the path given by --config or TELEMETRY_CONFIG",
        ) from None
    except UnicodeDecodeError:
        raise SettingsError("the settings file is not UTF-8 text", where=str(file)) from None


def _parsed(text: str, file: Path) -> Mapping[str, object]:
    try:
        return parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        # The parser's message describes syntax; only its position is certain to hold no value.
        position = str(error).rpartition("(at ")[2].rstrip(")")
        raise SettingsError(
            "the settings file is not TOML",
            where=f"{file}, {position}",
            remedy='Write name = "text", name = 5 or name = ["a", "b"] below a [section]',
        ) from None


class _File:
    """A settings file, and the line on which each setting is."""

    def __init__(self, path: Path, text: str) -> None:
        self.base = path.parent
        self._path = path
        self._text = text
        self._lines: Mapping[Place, int] | None = None

    def at(self, *place: str) -> str:
        """`telemetry.toml:3`; the file alone if the line is unknown."""
        if self._lines is None:
            self._lines = lines_of(self._text)
        line = self._lines.get(place)
        return str(self._path) if line is None else f"{self._path}:{line}"


class _Reading:
    """What was read so far, with problems kept instead of raised."""

    def __init__(self, declared: DeclaredKinds) -> None:
        self._declared = declared
        self._chosen: dict[str, dict[str, object]] = {name: {} for name in _SECTIONS}
        self._sources: dict[str, SourceSettings] = {}
        self._origins: dict[str, str] = {}
        self._problems: list[SettingsError] = []

    def trace(self, file: str | None) -> Trace:
        """Return everything that was read."""
        made: dict[str, Any] = {name: _SECTIONS[name](**got) for name, got in self._chosen.items()}
        settings = Settings(**made, sources=Table(self._sources))
        return Trace(settings, self._origins, tuple(self._problems), file)

    @contextmanager
    def noting_problems(self) -> Iterator[None]:
        """Keep the problem of one setting, so that the next is read too."""
        try:
            yield
        except SettingsError as problem:
            self._problems.append(problem)

    def set(self, section: str, key: str, value: object, where: str, origin: str) -> None:
        """Take the value of one setting. Raises SettingsError."""
        known = self._types(section)
        if key not in known:
            raise _unknown(key, known, where, "setting")
        self._chosen[section][key] = _checked(known[key], value, where)
        self._origins[f"{section}.{key}"] = origin

    def _types(self, section: str) -> dict[str, ValueType]:
        """What each setting of a section takes."""
        defaults = _SECTIONS[section]()
        return {one.name: one.type for one in self._declared.settings_of(defaults)}

    def document(self, document: Mapping[str, object], file: _File) -> None:
        """Take what a file holds."""
        for section, table in document.items():
            if section == _EDITORS:
                continue
            with self.noting_problems():
                self._section(section, table, file)

    def _section(self, section: str, table: object, file: _File) -> None:
        where = file.at(section)
        if section != "sources" and section not in _SECTIONS:
            raise _unknown(section, (*_SECTIONS, "sources"), f"{where}: [{section}]", "section")
        if not isinstance(table, dict):
            raise SettingsError(
                f"{section!r} is a section, not a value",
                where=where,
                remedy=f"Write [{section}] on a separate line and its settings below",
            )
        for key, value in table.items():
            with self.noting_problems():
                if section == "sources":
                    self._source(key, value, file)
                    continue
                origin = file.at(section, key)
                self.set(section, key, value, f"{origin}: {section}.{key}", origin)
                chosen = self._chosen[section]
                chosen[key] = _below(file.base, chosen[key], section, key)

    def _source(self, name: str, entries: object, file: _File) -> None:
        place = f"{file.at('sources', name)}: [sources.{name}]"
        if not isinstance(entries, dict):
            raise SettingsError(
                "a source is a separate section", where=place, remedy="Write [sources.NAME]"
            )
        values: dict[str, Any] = {}
        known = self._declared.source_settings()
        for key, value in entries.items():
            origin = file.at("sources", name, key)
            if key not in known:
                raise _unknown(key, known, f"{origin}: [sources.{name}].{key}", "setting")
            values[key] = _checked(known[key].type, value, f"{origin}: sources.{name}.{key}")
            self._origins[f"sources.{name}.{key}"] = origin
        kind = kind_of(self._declared.sources, values, place)
        for key in kind.PATHS:
            values[key] = tuple(_from_base(file.base, one) for one in values[key])
        if str(values.get("format", "")).endswith(FORMAT_FILE):
            values["format"] = _from_base(file.base, values["format"])
        self._sources[name] = kind(**values)

    def environment(self, environ: Mapping[str, str]) -> None:
        """Take what variables hold."""
        known = {
            variable(section, key): (section, key)
            for section in _SECTIONS
            for key in self._types(section)
            if has_variable(section, key)
        }
        prefixes = tuple(f"{PREFIX}{section}_".upper() for section in _SECTIONS)
        for name, value in environ.items():
            with self.noting_problems():
                if name in known:
                    section, key = known[name]
                    self.set(section, key, value, f"environment: {name}", f"environment {name}")
                elif name.startswith(prefixes):
                    # A misspelt privacy setting must not be passed over: its default could be
                    # looser.
                    raise _unknown(name, known, f"environment: {name}", "variable")


def _checked(type_: ValueType, value: object, where: str) -> object:
    try:
        return type_.read(value)
    except ValueRefused as refusal:
        raise SettingsError(str(refusal), where=where, remedy=_DOCUMENTED) from None


def _below(base: Path, value: object, section: str, key: str) -> object:
    """Resolve relative paths of a settings file from the file's folder."""
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
