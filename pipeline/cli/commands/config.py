"""`telemetry config`: what is set, where each value is from, and whether it can work."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import click

from pipeline.cli.declared import DECLARED, trace_settings
from pipeline.cli.frame import errors as failures
from pipeline.cli.frame.groups import Subcommands
from pipeline.cli.frame.options import Invocation, reporting, unread_settings
from pipeline.cli.wiring.checking import problems_of
from pipeline.errors import TelemetryError, counted
from pipeline.settings.load import Trace
from pipeline.settings.sections import Settings
from pipeline.settings.values import written

_DEFAULT = "default"


@click.group(cls=Subcommands)
def command() -> None:
    """Show the settings and where each is from, check them, print their schema."""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting, as it is shown."""

    setting: str
    value: str
    origin: str


@command.command()
@click.option("--changed", is_flag=True, help="Leave out what has its default.")
@unread_settings
def show(call: Invocation, flags: Mapping[str, str | None], changed: bool) -> None:
    """Show every setting with its value and its origin: flag, environment, file:line or default.

    Secrets are never shown, only the kind of their reference. What is wrong is reported, and has
    its default here.
    """
    trace = trace_settings(call.config, flags)
    rows = [row for row in setting_rows(trace) if not changed or row.origin != _DEFAULT]
    document = {
        "file": trace.file,
        "settings": {r.setting: {"value": r.value or None, "origin": r.origin} for r in rows},
    }
    call.out.result(
        document,
        lambda: call.out.table(
            ["setting", "value", "origin"], [[r.setting, r.value or "-", r.origin] for r in rows]
        ),
    )
    if trace.problems:
        call.out.warn(f"{counted(len(trace.problems), 'problem')}: see telemetry config validate")


def setting_rows(trace: Trace) -> Iterator[SettingRow]:
    """Every setting in the order of the documentation, then those of each source."""
    settings = trace.settings
    parts: list[tuple[str, object]] = [
        (section.name, getattr(settings, section.name))
        for section in fields(Settings)
        if section.name != "sources"
    ]
    parts += [(f"sources.{name}", source) for name, source in sorted(settings.sources.items())]
    for name, values in parts:
        for field in fields(values):  # type: ignore[arg-type]
            setting = f"{name}.{field.name}"
            origin = trace.origins.get(setting, _DEFAULT)
            yield SettingRow(setting, written(getattr(values, field.name)), origin)


@command.command()
@unread_settings
def validate(call: Invocation, flags: Mapping[str, str | None]) -> int:
    """Check all settings and whatever they name: schemas, catalogue, files, secrets.

    Every problem is listed, not only the first, and the exit code is 3. No service is asked;
    telemetry doctor does that.
    """
    trace = trace_settings(call.config, flags)
    problems: list[TelemetryError] = [*trace.problems, *problems_of(trace.settings)]
    document = {
        "file": trace.file,
        "valid": not problems,
        "problems": [dict(failures.told(problem)) for problem in problems],
    }
    file = trace.file or "no settings file"
    call.out.result(
        document,
        lambda: call.out.line(
            f"{file}: {counted(len(problems), 'problem')}"
            if problems
            else f"{file}: valid, {counted(len(trace.origins), 'setting')} given"
        ),
    )
    for problem in problems:
        if not call.out.json:
            click.echo(failures.as_text(problem), err=True)
    return max((problem.exit_code for problem in problems), default=0)


@command.command()
@reporting
def schema(call: Invocation) -> None:
    """Print the JSON Schema of the settings file, for editors that check TOML (taplo and others).

    \b
        telemetry config schema > telemetry.schema.json
    and as the first line of telemetry.toml:
        #:schema ./telemetry.schema.json
    """
    from pipeline.settings.json_schema import settings_schema

    document = settings_schema(DECLARED)
    call.out.result(document, lambda: call.out.line(json.dumps(document, indent=2)))
