"""Finds the schema and catalogue files, in the operator's folder or in the package itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path

from pipeline.errors import EnvironmentProblem, SchemaError
from pipeline.events.catalogue import Catalogue, parse_catalogue
from pipeline.events.documents import suggest
from pipeline.events.evolution import check_evolution
from pipeline.events.formats.model import Format
from pipeline.events.formats.parse import parse_format
from pipeline.events.promises import Promise, parse_promises
from pipeline.events.schema import EventSchema
from pipeline.events.schema_file import parse_schema
from pipeline.events.treatments import Vocabulary
from pipeline.privacy.treatments.registry import TREATMENTS

PACKAGE = "pipeline.schemas"
DOCUMENTS = "pipeline.docs"
CATALOGUE = "catalogue"
METRICS = "metrics"
FORMATS = "formats"
PROMISES = "promises.yaml"
_VERSION = re.compile(r"v([1-9][0-9]{0,2})\.yaml")


def packaged() -> Traversable:
    """The folder of schemas and demo data that is installed with the package."""
    return _packaged(PACKAGE, "schemas")


def documentation(name: str) -> str:
    """The text of one packaged page, for example `documentation("troubleshooting.md")`."""
    return _text(_packaged(DOCUMENTS, "documentation").joinpath(name))


def _packaged(package: str, what: str) -> Traversable:
    try:
        return files(package)
    except ModuleNotFoundError:
        raise EnvironmentProblem(
            f"the package was installed without its {what}",
            where=package,
            remedy="Install it again with `make install`, or from a wheel",
        ) from None


def packaged_text(*path: str) -> str:
    """The text of one packaged file, for example `packaged_text("demo", "traffic.toml")`."""
    return _text(packaged().joinpath(*path))


def packaged_documents(*folder: str) -> Mapping[str, str]:
    """The texts of the YAML files in a packaged folder, by name without suffix."""
    return _documents(packaged().joinpath(*folder), ".yaml")


def load_promises() -> tuple[Promise, ...]:
    """The promises that come with the package."""
    return parse_promises(packaged_text(PROMISES), PROMISES)


def load_schemas(
    directory: Path | None = None, catalogue: Catalogue | Path | None = None
) -> Mapping[str, tuple[EventSchema, ...]]:
    """All event schemas below `directory` (default: the packaged ones), by event.

    They may name the lists of `catalogue`: a catalogue, the folder of one, or None for the
    packaged one. The versions of an event are ascending, and each keeps what the one before it
    declared. Raises `SchemaError` for a file that does not load, is in the wrong place, or changes
    an earlier version; `EnvironmentProblem` for a folder that cannot be read.
    """
    root: Traversable = packaged() if directory is None else directory
    words = vocabulary(catalogue if isinstance(catalogue, Catalogue) else load_catalogue(catalogue))
    found: dict[str, tuple[EventSchema, ...]] = {}
    for folder in (entry for entry in _entries(root) if entry.is_dir()):
        versions = [entry for entry in _entries(folder) if _VERSION.fullmatch(entry.name)]
        schemas = [_schema(folder, entry, words) for entry in versions]
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
    return parse_catalogue(_documents(root, ".yaml"))


def vocabulary(catalogue: Catalogue) -> Vocabulary:
    """What schema files may name: every treatment, the catalogue's lists, the promises' ids."""
    return Vocabulary(
        TREATMENTS,
        frozenset(catalogue.lists),
        catalogue.plain,
        frozenset(promise.id for promise in load_promises()),
    )


def packaged_formats() -> tuple[str, ...]:
    """The names of the packaged formats."""
    entries = _entries(packaged() / FORMATS)
    return tuple(e.name.removesuffix(".toml") for e in entries if e.name.endswith(".toml"))


def load_format(name: str, schemas: Mapping[str, tuple[EventSchema, ...]]) -> Format:
    """The format of that name, or in that file if the name ends with `.toml`.

    Raises `SchemaError` for one that is unknown or does not fit the schemas.
    """
    if name.endswith(".toml"):
        return parse_format(_text(Path(name)), name, name, schemas)
    known = packaged_formats()
    if name not in known:
        raise SchemaError(
            "there is no packaged format of this name",
            remedy=f"Use one of {', '.join(known)}, or the path of a format file (.toml)"
            f"{suggest(name, known)}",
        )
    where = f"{FORMATS}/{name}.toml"
    return parse_format(packaged_text(FORMATS, f"{name}.toml"), name, where, schemas)


def formats_for(schemas: Mapping[str, tuple[EventSchema, ...]]) -> list[Format]:
    """The packaged formats whose events and fields these schemas have."""
    found = []
    for name in packaged_formats():
        with suppress(SchemaError):
            found.append(load_format(name, schemas))
    return found


def load_metrics(directory: Path | None = None) -> Mapping[str, str]:
    """The texts of the metric registry in `directory` (default: the packaged one), by name.

    `directory` holds the `.toml` files themselves. Raises as `load_schemas` does.
    """
    root: Traversable = packaged() / METRICS if directory is None else directory
    return _documents(root, ".toml")


def _schema(folder: Traversable, entry: Traversable, words: Vocabulary) -> EventSchema:
    where = f"{folder.name}/{entry.name}"
    schema = parse_schema(_text(entry), where, words)
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


def _documents(root: Traversable, ending: str) -> Mapping[str, str]:
    entries = [entry for entry in _entries(root) if entry.name.endswith(ending)]
    return {entry.name.removesuffix(ending): _text(entry) for entry in entries}


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
