"""What a single setting may hold: one reader for each type of value.

A reader takes what TOML or an environment variable gave and returns the typed value, or raises
`Refused` with what it expected. Messages never repeat the value: it could be a secret that was
pasted in the wrong place.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from pipeline.settings.table import Table

T = TypeVar("T")

Reader = Callable[[object], Any]

_DURATION = re.compile(r"(\d{1,6})(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d{1,6})(KiB|MiB|GiB)")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_BYTES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SECRET = re.compile(
    r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+|gcp-sm:.+|aws-sm:.+"
    r"|azure-kv:[A-Za-z0-9.-]+(:\d+)?/.+|vault:[^/#]+/[^#]+#[^#]+"
)
_SECRETS = (
    "env:NAME, file:/path, gcp-sm:NAME, aws-sm:NAME, azure-kv:HOST/NAME or vault:MOUNT/PATH#ENTRY"
)


def _shape(pattern: re.Pattern[str]) -> Mapping[str, object]:
    return {"type": "string", "pattern": f"^({pattern.pattern})$"}


class ValueRefused(Exception):
    """A value is not of the type or within the limits that its setting asks for."""


@dataclass(frozen=True, slots=True)
class ValueType:
    """How a setting is read, and how the documentation describes what it takes."""

    read: Reader
    says: str
    shape: Mapping[str, object]
    """What a file may hold, as JSON Schema."""


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A reference to a secret: `env:NAME`, `file:/path`, or a scheme of `settings.secrets`."""

    reference: str = field(repr=False)

    def __repr__(self) -> str:
        return f"Secret({self.reference.partition(':')[0]}:...)"


def setting(default: T, type_: ValueType, says: str) -> T:
    """Declare a setting as the default of a dataclass field."""
    metadata = {"type": type_, "says": says}
    if isinstance(default, Mapping):
        found: Any = field(default_factory=lambda: default, metadata=metadata)
    else:
        found = field(default=default, metadata=metadata)
    return cast(T, found)


def _read_text(value: object) -> str:
    if not isinstance(value, str) or not value or "\x00" in value:
        raise ValueRefused("expected text")
    return value


_TEXT: Mapping[str, object] = {"type": "string", "minLength": 1}
text = ValueType(_read_text, "text", _TEXT)


_ADDRESS = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")


def _read_address(value: object) -> str:
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise ValueRefused("expected http://HOST or https://HOST, without user and password")
    return value


address = ValueType(_read_address, "http(s)://HOST[/PATH]", _shape(_ADDRESS))


def _read_path(value: object) -> Path:
    return Path(_read_text(value)).expanduser()


path = ValueType(_read_path, "path", _TEXT)


def _read_texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [item.strip() for item in value.split(",") if item.strip()]
    if not isinstance(value, list):
        raise ValueRefused("expected a list of texts")
    return tuple(_read_text(item) for item in value)


text_list = ValueType(_read_texts, "list of texts", {"type": "array", "items": _TEXT})


def _read_networks(value: object) -> tuple[str, ...]:
    networks = _read_texts(value)
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            # `from None`: the library's message repeats the value.
            raise ValueRefused("expected networks such as 10.0.0.0/8, host bits zero") from None
    return networks


networks = ValueType(_read_networks, "list of networks", text_list.shape)


def among(type_: ValueType, *allowed: str) -> ValueType:
    """A list of which every item is one of `allowed`."""

    def read(value: object) -> tuple[str, ...]:
        items: tuple[str, ...] = type_.read(value)
        if not set(items) <= set(allowed):
            raise ValueRefused(f"expected only {' and '.join(allowed)}")
        return items

    shape = {"type": "array", "items": {"enum": list(allowed)}}
    return ValueType(read, f"list of {', '.join(allowed)}", shape)


def choice(*allowed: str) -> ValueType:
    """One of a few words."""

    def read(value: object) -> str:
        if value not in allowed:
            words = {word.lower(): word for word in allowed}
            near = difflib.get_close_matches(str(value).lower(), words, n=1, cutoff=0.5)
            meant = f". Did you mean {words[near[0]]}?" if near else ""
            raise ValueRefused(f"expected {', '.join(allowed[:-1])} or {allowed[-1]}{meant}")
        return str(value)

    return ValueType(read, " / ".join(allowed), {"enum": list(allowed)})


def _read_switch(value: object) -> bool:
    value = {"true": True, "false": False}.get(value) if isinstance(value, str) else value
    if not isinstance(value, bool):
        raise ValueRefused("expected true or false")
    return value


switch = ValueType(_read_switch, "true / false", {"type": "boolean"})


def whole(low: int, high: int) -> ValueType:
    """A whole number from `low` to `high`, both included."""

    def read(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueRefused(f"expected a whole number from {low} to {high}")
        return value

    return ValueType(read, f"{low} to {high}", {"type": "integer", "minimum": low, "maximum": high})


def duration(low: str, high: str) -> ValueType:
    """A time span such as `15s`, `5m`, `2h`, from `low` to `high`."""
    least, most = parse_duration(low), parse_duration(high)

    def read(value: object) -> timedelta:
        found = parse_duration(value) if isinstance(value, str) else None
        if found is None or least is None or most is None or not least <= found <= most:
            raise ValueRefused(f"expected a duration from {low} to {high}, such as 15s, 5m or 2h")
        return found

    return ValueType(read, f"duration, {low} to {high}", _shape(_DURATION))


def parse_duration(value: str) -> timedelta | None:
    """`15s` as a time span, or None."""
    match = _DURATION.fullmatch(value)
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]]) if match else None


def size(low: str, high: str) -> ValueType:
    """A number of bytes such as `64MiB`, from `low` to `high`."""
    least, most = _bytes(low), _bytes(high)

    def read(value: object) -> int:
        found = _bytes(value) if isinstance(value, str) else None
        if found is None or least is None or most is None or not least <= found <= most:
            raise ValueRefused(f"expected a size from {low} to {high}, such as 64MiB")
        return found

    return ValueType(read, f"size, {low} to {high}", _shape(_SIZE))


def _bytes(value: str) -> int | None:
    match = _SIZE.fullmatch(value)
    return int(match[1]) * _BYTES[match[2]] if match else None


def _read_secret(value: object) -> Secret:
    if not isinstance(value, str) or not _SECRET.fullmatch(value):
        raise ValueRefused(f"expected a reference: {_SECRETS}, not the secret")
    return Secret(value)


secret = ValueType(_read_secret, _SECRETS, _shape(_SECRET))


def matching(forms: Sequence[tuple[str, re.Pattern[str]]]) -> ValueType:
    """A text in one of several forms, each given as it is shown and as it is checked."""
    shown = " or ".join(form for form, _ in forms)
    pattern = re.compile("|".join(pattern.pattern for _, pattern in forms))

    def read(value: object) -> str:
        if not isinstance(value, str) or not forms or not pattern.fullmatch(value):
            raise ValueRefused(f"expected {shown}")
        return value

    return ValueType(read, shown, _shape(pattern))


KEY_REFERENCE = matching([])
"""Stands for the references that stores of keys declare; see `declared.Declared`."""

_SECRET_WORDS = ("secret", "password", "token", "access_key", "account_key", "sas_key")


def _read_storage(value: object) -> Mapping[str, str | Secret]:
    if not isinstance(value, dict):
        raise ValueRefused("expected a table of texts")
    found: dict[str, str | Secret] = {}
    for name, item in value.items():
        if isinstance(item, str) and _SECRET.fullmatch(item):
            found[name] = Secret(item)
        elif any(word in name.lower() for word in _SECRET_WORDS) and name.lower() not in _PUBLIC:
            raise ValueRefused(f"{name} is a secret: give a reference such as env:{name.upper()}")
        else:
            found[name] = _read_text(item)
    return Table(found)


def _read_labels(value: object) -> Mapping[str, Mapping[str, str]]:
    if not isinstance(value, dict) or not all(isinstance(part, dict) for part in value.values()):
        raise ValueRefused("expected a table for each dimension, of a label for each key")
    return Table(
        {name: Table({key: _read_text(item) for key, item in part.items()})
         for name, part in value.items()}
    )  # fmt: skip


labels = ValueType(
    _read_labels,
    "tables of texts, one for each dimension",
    {
        "type": "object",
        "additionalProperties": {"type": "object", "additionalProperties": _TEXT},
    },
)


def _read_tiles(value: object) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise ValueRefused("expected a table of lists")
    return Table({page: _read_texts(names) for page, names in value.items()})


tiles = ValueType(
    _read_tiles,
    "lists of metrics, one for each page",
    {"type": "object", "additionalProperties": text_list.shape},
)


def _read_texts_by_name(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise ValueRefused("expected a table of texts")
    return Table({name: _read_text(item) for name, item in value.items()})


texts = ValueType(
    _read_texts_by_name, "table of texts", {"type": "object", "additionalProperties": _TEXT}
)

_PUBLIC = frozenset({"aws_access_key_id", "access_key_id"})
storage = ValueType(
    _read_storage,
    "table of texts or secret references",
    {"type": "object", "additionalProperties": _TEXT},
)


def written(value: object) -> str:
    """A setting's value as text, the way a person writes it; empty if there is none.

    Only the kind of a secret is shown, and so it is with a password inside a URL.

    >>> written(timedelta(minutes=15)), written(64 * 2**20), written(("a", "b"))
    ('15m', '64MiB', 'a, b')
    """
    if value is None:
        return ""
    if isinstance(value, Secret):
        return f"{value.reference.partition(':')[0]}:..."
    if isinstance(value, timedelta):
        return _spelled(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value >= 2**20:
        return f"{value // 2**20}MiB"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {written(item)}" for name, item in value.items())
    if isinstance(value, tuple):
        return ", ".join(written(item) for item in value)
    return _CREDENTIALS.sub("//...@", str(value))


def _spelled(span: timedelta) -> str:
    milliseconds = round(span.total_seconds() * 1000)
    whole_units = (unit for unit in ("m", "s") if milliseconds % (_UNITS[unit] * 1000) == 0)
    unit = next(whole_units, "ms")
    return f"{round(milliseconds / (_UNITS[unit] * 1000))}{unit}"


_CREDENTIALS = re.compile(r"//[^/@\s]*@")
