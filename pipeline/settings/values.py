"""What a single setting may hold: one reader for each kind of value.

A reader takes what TOML or an environment variable gave and returns the typed value, or raises
`Refused` with what it expected. Messages never repeat the value: it could be a secret that was
pasted in the wrong place.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast

T = TypeVar("T")

Reader = Callable[[object], Any]

_DURATION = re.compile(r"(\d{1,6})(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d{1,6})(KiB|MiB|GiB)")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_BYTES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SECRET = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+|gcp-sm:.+")


class Refused(Exception):
    """A value is not of the kind or within the limits that its setting asks for."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a setting is read, and how the documentation describes what it takes."""

    read: Reader
    says: str


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A reference to a secret: `env:NAME`, `file:/path` or `gcp-sm:projects/../versions/..`."""

    reference: str = field(repr=False)

    def __repr__(self) -> str:
        return f"Secret({self.reference.partition(':')[0]}:...)"


def setting(default: T, kind: Kind, says: str) -> T:
    """Declare a setting as the default of a dataclass field."""
    metadata = {"kind": kind, "help": says}
    if isinstance(default, Mapping):
        found: Any = field(default_factory=lambda: default, metadata=metadata)
    else:
        found = field(default=default, metadata=metadata)
    return cast(T, found)


def _read_text(value: object) -> str:
    if not isinstance(value, str) or not value or "\x00" in value:
        raise Refused("expected text")
    return value


text = Kind(_read_text, "text")


def _read_path(value: object) -> Path:
    return Path(_read_text(value)).expanduser()


path = Kind(_read_path, "path")


def _read_texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [item.strip() for item in value.split(",") if item.strip()]
    if not isinstance(value, list):
        raise Refused("expected a list of texts")
    return tuple(_read_text(item) for item in value)


text_list = Kind(_read_texts, "list of texts")


def _read_networks(value: object) -> tuple[str, ...]:
    networks = _read_texts(value)
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            # `from None`: the library's message repeats the value.
            raise Refused("expected networks such as 10.0.0.0/8, host bits zero") from None
    return networks


networks = Kind(_read_networks, "list of networks")


def among(kind: Kind, *allowed: str) -> Kind:
    """A list of which every item is one of `allowed`."""

    def read(value: object) -> tuple[str, ...]:
        items: tuple[str, ...] = kind.read(value)
        if not set(items) <= set(allowed):
            raise Refused(f"expected only {' and '.join(allowed)}")
        return items

    return Kind(read, f"list of {', '.join(allowed)}")


def choice(*allowed: str) -> Kind:
    """One of a few words."""

    def read(value: object) -> str:
        if value not in allowed:
            raise Refused(f"expected {', '.join(allowed[:-1])} or {allowed[-1]}")
        return str(value)

    return Kind(read, " / ".join(allowed))


def _read_switch(value: object) -> bool:
    value = {"true": True, "false": False}.get(value) if isinstance(value, str) else value
    if not isinstance(value, bool):
        raise Refused("expected true or false")
    return value


switch = Kind(_read_switch, "true / false")


def whole(low: int, high: int) -> Kind:
    """A whole number from `low` to `high`, both included."""

    def read(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Refused(f"expected a whole number from {low} to {high}")
        return value

    return Kind(read, f"{low} to {high}")


def duration(low: str, high: str) -> Kind:
    """A time span such as `15s`, `5m`, `2h`, from `low` to `high`."""
    least, most = parse_duration(low), parse_duration(high)

    def read(value: object) -> timedelta:
        found = parse_duration(value) if isinstance(value, str) else None
        if found is None or least is None or most is None or not least <= found <= most:
            raise Refused(f"expected a duration from {low} to {high}, such as 15s, 5m or 2h")
        return found

    return Kind(read, f"duration, {low} to {high}")


def parse_duration(value: str) -> timedelta | None:
    """`15s` as a time span, or None."""
    match = _DURATION.fullmatch(value)
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]]) if match else None


def size(low: str, high: str) -> Kind:
    """A number of bytes such as `64MiB`, from `low` to `high`."""
    least, most = _bytes(low), _bytes(high)

    def read(value: object) -> int:
        found = _bytes(value) if isinstance(value, str) else None
        if found is None or least is None or most is None or not least <= found <= most:
            raise Refused(f"expected a size from {low} to {high}, such as 64MiB")
        return found

    return Kind(read, f"size, {low} to {high}")


def _bytes(value: str) -> int | None:
    match = _SIZE.fullmatch(value)
    return int(match[1]) * _BYTES[match[2]] if match else None


def _read_secret(value: object) -> Secret:
    if not isinstance(value, str) or not _SECRET.fullmatch(value):
        raise Refused("expected a reference: env:NAME, file:/path or gcp-sm:NAME, not the secret")
    return Secret(value)


secret = Kind(_read_secret, "env:NAME, file:/path or gcp-sm:NAME")

_KEYS = re.compile(r"gcp-sm:projects/[a-z0-9-]{1,63}/secrets/[A-Za-z0-9_-]{1,200}")


def _read_keys(value: object) -> str:
    if not isinstance(value, str) or not _KEYS.fullmatch(value):
        raise Refused("expected gcp-sm:projects/PROJECT/secrets/PREFIX")
    return value


keys = Kind(_read_keys, "gcp-sm:projects/PROJECT/secrets/PREFIX")

_SECRET_WORDS = ("secret", "password", "token", "access_key", "account_key", "sas_key")


def _read_storage(value: object) -> Mapping[str, str | Secret]:
    if not isinstance(value, dict):
        raise Refused("expected a table of texts")
    found: dict[str, str | Secret] = {}
    for name, item in value.items():
        if isinstance(item, str) and _SECRET.fullmatch(item):
            found[name] = Secret(item)
        elif any(word in name.lower() for word in _SECRET_WORDS) and name.lower() not in _PUBLIC:
            raise Refused(f"{name} is a secret: give a reference such as env:{name.upper()}")
        else:
            found[name] = _read_text(item)
    return MappingProxyType(found)


_PUBLIC = frozenset({"aws_access_key_id", "access_key_id"})
storage = Kind(_read_storage, "table of texts or secret references")
