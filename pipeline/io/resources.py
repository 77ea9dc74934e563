"""Finds the schema and catalogue files, in a folder of the operator or in the package itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path

from pipeline.errors import EnvironmentProblem, SchemaError
from pipeline.events.catalogue import Catalogue, parse_catalogue
from pipeline.events.schema import EventSchema, check_evolution, parse_schema

PACKAGE = "pipeline.schemas"
CATALOGUE = "catalogue"
METRICS = "metrics"
_VERSION = re.compile(r"v([1-9][0-9]{0,2})\.yaml")


def packaged() -> Traversable:
    """The folder of schemas and demo data that is installed with the package."""
    try:
        return files(PACKAGE)
    except ModuleNotFoundError:
        raise EnvironmentProblem(
            "the package was installed without its schemas",
            where=PACKAGE,
            remedy="Install it again with `make install`, or from a wheel",
        ) from None


def packaged_text(*path: str) -> str:
    """The text of one packaged file, for example `packaged_text("demo", "traffic.toml")`."""
    return _text(packaged().joinpath(*path))


def load_schemas(directory: Path | None = None) -> Mapping[str, tuple[EventSchema, ...]]:
    """All event schemas below `directory` (default: the packaged ones), by event.

    The versions of an event are ascending, and each keeps what the one before it declared.
    Raises `SchemaError` for a file that does not load, stands in the wrong place, or changes
    an earlier version; `EnvironmentProblem` for a folder that cannot be read.
    """
    root: Traversable = packaged() if directory is None else directory
    found: dict[str, tuple[EventSchema, ...]] = {}
    for folder in (entry for entry in _entries(root) if entry.is_dir()):
        versions = [entry for entry in _entries(folder) if _VERSION.fullmatch(entry.name)]
        schemas = [_schema(folder, entry) for entry in versions]
        schemas.sort(key=lambda schema: schema.version)
        for older, newer in pairwise(schemas):
            check_evolution(older, newer)
        if schemas:
            found[folder.name] = tuple(schemas)
    if not found:
        raise SchemaError(
            "there is no schema",
            where=str(root),
            remedy="Expected files <event>/v<N>.yaml in that folder",
        )
    return found


def load_catalogue(directory: Path | None = None) -> Catalogue:
    """The closed lists in `directory` (default: the packaged demo catalogue).

    `directory` holds the files themselves. Raises as `load_schemas` does.
    """
    root: Traversable = packaged() / CATALOGUE if directory is None else directory
    entries = [entry for entry in _entries(root) if entry.name.endswith(".yaml")]
    return parse_catalogue({entry.name.removesuffix(".yaml"): _text(entry) for entry in entries})


def load_metrics(directory: Path | None = None) -> Mapping[str, str]:
    """The texts of the metric registry in `directory` (default: the packaged one), by name.

    `directory` holds the `.toml` files themselves. Raises as `load_schemas` does.
    """
    root: Traversable = packaged() / METRICS if directory is None else directory
    entries = [entry for entry in _entries(root) if entry.name.endswith(".toml")]
    return {entry.name.removesuffix(".toml"): _text(entry) for entry in entries}


def _schema(folder: Traversable, entry: Traversable) -> EventSchema:
    where = f"{folder.name}/{entry.name}"
    schema = parse_schema(_text(entry), where)
    if (schema.event, f"v{schema.version}.yaml") != (folder.name, entry.name):
        raise SchemaError(
            "event and version in the file are not those of its path",
            where=where,
            remedy=f"Move it to {schema.event}/v{schema.version}.yaml or correct it",
        )
    return schema


def _entries(root: Traversable) -> list[Traversable]:
    try:
        return sorted(root.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(root, error) from None


def _text(entry: Traversable) -> str:
    try:
        return entry.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SchemaError("the file is not UTF-8 text", where=str(entry)) from None
    except OSError as error:
        raise _unreadable(entry, error) from None


def _unreadable(entry: Traversable, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        "a folder or file of schemas cannot be read",
        where=str(entry),
        why=error.strerror or type(error).__name__,
        remedy="Check that it exists and that this user may read it",
    )
