"""What can be wrong with settings that are well formed: whatever they name is looked for.

Nothing is created, and no service is contacted but the secret managers of references.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.cli.wiring.opening import kinds_of, one_of, open_schemas
from pipeline.errors import SettingsError, TelemetryError
from pipeline.settings import Secret, Settings
from pipeline.settings.secrets import reveal


def problems_of(settings: Settings) -> list[TelemetryError]:
    """Everything that the settings name but that is not there or does not load."""
    problems: list[TelemetryError] = [*_missing_files(settings), *_unknown_events(settings)]
    for _, source in kinds_of(settings):
        try:
            source.look()
        except TelemetryError as problem:
            problems.append(problem)
    for name, secret in _secrets(settings):
        try:
            reveal(secret, name)
        except TelemetryError as problem:
            problems.append(problem)
    return problems


def _unknown_events(settings: Settings) -> Iterator[TelemetryError]:
    """Sources of no known event or format; or why schemas or catalogue do not load."""
    from pipeline.cli.wiring.ports import open_formats

    try:
        schemas = open_schemas(settings)
    except TelemetryError as problem:
        yield problem
        return
    for name, source in sorted(settings.sources.items()):
        try:
            formats = open_formats(replace(settings, sources={name: source}))
        except TelemetryError as problem:
            problem.where = problem.where or f"sources.{name}.format"
            yield problem
            continue
        if not formats and source.event not in schemas:
            yield SettingsError(
                "the source's event has no schema",
                where=f"sources.{name}.event",
                remedy=one_of(source.event, schemas),
            )


def _missing_files(settings: Settings) -> Iterator[SettingsError]:
    kafka = settings.kafka
    named: dict[str, Path | None] = {
        "geo.database": settings.geo.database,
        "kafka.ca_file": kafka.ca_file,
        "kafka.certificate_file": kafka.certificate_file,
        "kafka.key_file": kafka.key_file,
        "registry.ca_file": settings.registry.ca_file,
    }
    for name, file in named.items():
        if file is not None and not file.is_file():
            yield SettingsError(
                "the file is not there", where=f"{name}: {file}", remedy="Correct the path"
            )


def _secrets(settings: Settings) -> Iterator[tuple[str, Secret]]:
    kafka = settings.kafka
    given = {
        **{f"lake.storage.{name}": value for name, value in settings.lake.storage.items()},
        "kafka.username": kafka.username,
        "kafka.password": kafka.password,
        "kafka.key_password": kafka.key_password,
        "otlp.authorization": settings.otlp.authorization,
        "lineage.authorization": settings.lineage.authorization,
        "registry.username": settings.registry.username,
        "registry.password": settings.registry.password,
    }
    for name, value in given.items():
        if isinstance(value, Secret):
            yield name, value
