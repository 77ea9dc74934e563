"""What is said when there is nothing behind a reference: its scheme and a kind, never its name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pipeline.errors import EnvironmentProblem, SettingsError
from pipeline.parsing import parse_json


def nothing_there(setting: str, scheme: str, why: str) -> SettingsError:
    """Return the error of a reference that leads to nothing; `why` follows "because"."""
    return SettingsError(
        f"there is no secret behind the {scheme}: reference",
        where=setting,
        why=why,
        remedy="Check the reference, and that this user may read what it names",
    )


def client_of(module: str, scheme: str, whose: str, extra: str) -> Any:
    """Import a service's client. Raises EnvironmentProblem that names its extra."""
    try:
        return import_module(module)
    except ImportError:
        raise EnvironmentProblem(
            f"{scheme}: references need the client of {whose}",
            remedy=f"Install the extra: pip install 'telemetry-pipeline[{extra}]'",
        ) from None


def entry_of(text: str, key: str, setting: str, scheme: str) -> str:
    """Return an entry of a JSON object, or the whole text if no key is given."""
    if not key:
        return text
    try:
        return str(parse_json(text)[key])
    except (KeyError, TypeError, ValueError):
        raise nothing_there(setting, scheme, "it is no text, or has no such entry") from None
