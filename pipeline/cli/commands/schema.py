"""`telemetry schema`: which events there are, what is stored from them and why, and DDL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline import __version__
from pipeline.cli.frame.groups import Subcommands
from pipeline.cli.frame.nearest import Closed
from pipeline.cli.frame.options import Invocation, check_envelope, configured
from pipeline.cli.wiring.opening import (
    make_policy,
    newest_schema,
    open_catalogue,
    open_country,
    open_schemas,
)
from pipeline.errors import UsageError
from pipeline.parsing import parse_json

if TYPE_CHECKING:
    from pipeline.events.formats.model import Format
    from pipeline.events.schema import EventSchema
    from pipeline.ops.explain import Explanation, FieldStory

ENGINES = ("duckdb", "spark", "trino", "bigquery")
_PLACEHOLDER = "/path/to/lake"


@click.group(cls=Subcommands)
def command() -> None:
    """List events, explain what is stored of them and why, print DDL for other engines."""


@command.command("list")
@configured
def list_events(call: Invocation) -> None:
    """List events with their newest version."""
    events = [
        {
            "event": event,
            "version": versions[-1].version,
            "fields": len(versions[-1].fields),
            "columns": len(versions[-1].columns),
            "comment": versions[-1].comment,
        }
        for event, versions in sorted(open_schemas(call.settings).items())
    ]
    call.out.result(
        {"events": events},
        lambda: call.out.table(
            ["event", "version", "raw fields", "stored columns", "what"],
            [list(event.values()) for event in events],  # type: ignore[arg-type]
        ),
    )


@command.command("formats")
@configured
def list_formats(call: Invocation) -> None:
    """List the packaged formats of lines, and what each cannot do because it lacks a field."""
    from pipeline.io.package_data import load_format, packaged_formats

    schemas = open_schemas(call.settings)
    formats = [load_format(name, schemas) for name in packaged_formats()]
    call.out.result(
        {"formats": [
            {"format": one.name, "event": one.event, "lines": one.comment,
             "warnings": list(one.warnings)}
            for one in formats
        ]},
        lambda: call.out.table(
            ["format", "event", "lines"],
            [[one.name, one.event, one.comment] for one in formats],
        ),
    )  # fmt: skip


@command.command()
@click.argument("event", required=False, metavar="[EVENT]")
@click.argument("file", required=False, type=click.Path(allow_dash=True, path_type=Path))
@click.option(
    "--format",
    "format_",
    metavar="NAME|FILE",
    help="Format of the line; it also determines the event.",
)
@click.option(
    "--envelope",
    type=Closed(["none", "cri", "docker"]),
    help="What a container runtime has put around the line.",
)
@configured
def explain(
    call: Invocation,
    event: str | None,
    file: Path | None,
    format_: str | None,
    envelope: str | None,
) -> None:
    """Show field by field what is kept, generalised, tokenised or dropped of EVENT, and why.

    With FILE (or - for standard input) its first line is passed through the pipeline, and what
    would be stored is shown, but not the line. With --format the event may be left out.

    \b
        telemetry schema explain api_request
        telemetry schema explain access.log --format nginx_combined
    """
    from pipeline.ops.explain import explain_event, explain_schema
    from pipeline.ops.trial import Rules

    known = open_schemas(call.settings)
    named = _format(format_, envelope, known)
    if named is not None and file is None and event not in (None, named.event):
        event, file = None, Path(str(event))
    event = event or (None if named is None else named.event)
    if event is None or (named is not None and event != named.event):
        raise UsageError(
            "the event is missing, or is another one than the format's",
            where="telemetry schema explain",
            remedy="Name the event or, with --format, leave it out",
        )
    newest = newest_schema(known, event)
    schemas = known[event]
    if file is None:
        _show(call, explain_schema(newest, named), undeclared=None)
        return
    message = _first_line(file)
    rules = Rules(
        open_catalogue(call.settings),
        open_country(call.settings),
        make_policy(call.settings, backfill=True),
        call.now(),
    )
    explanation = explain_event(message, schemas, rules, named)
    declared = {field.name for field in newest.fields}
    of_own_json = named is None and not explanation.refused
    undeclared = len(set(parse_json(message)) - declared) if of_own_json else None
    _show(call, explanation, undeclared=undeclared, hint=_hint(message, explanation, known))


def _format(
    name: str | None, envelope: str | None, schemas: Mapping[str, tuple[EventSchema, ...]]
) -> Format | None:
    from pipeline.events.formats.model import in_envelope
    from pipeline.io.package_data import load_format

    check_envelope(envelope, name)
    return None if name is None else in_envelope(load_format(name, schemas), envelope)


def _hint(
    message: bytes, explanation: Explanation, schemas: Mapping[str, tuple[EventSchema, ...]]
) -> str:
    """Say what a refused line looks like; empty if nothing fits it."""
    if not explanation.refused:
        return ""
    from pipeline.events.formats.guess import best_fit
    from pipeline.io.package_data import formats_for

    fit = best_fit([message], formats_for(schemas), schemas)
    return "" if fit is None else f"The line looks like {fit.options}."


def _first_line(file: Path) -> bytes:
    with click.open_file(str(file), "rb") as stream:
        message: bytes = stream.readline().rstrip(b"\r\n")
    if not message:
        raise UsageError(
            "there is no event to explain",
            why="the first line is empty",
            remedy="Give a file or standard input whose first line is one JSON object",
        )
    return message


def _show(
    call: Invocation, explanation: Explanation, *, undeclared: int | None, hint: str = ""
) -> None:
    fields = [
        {
            "field": story.field,
            "fate": story.fate,
            "how": story.how,
            "stored": dict(story.stored),
            "source": story.source or None,
            "purpose": story.purpose,
            "comment": story.comment,
        }
        for story in explanation.fields
    ]
    document = {
        "event": explanation.event,
        "version": explanation.version,
        "refused": explanation.refused,
        "undeclared_fields": undeclared,
        "fields": fields,
    }

    def text() -> None:
        if explanation.refused:
            call.out.line(f"The event is {explanation.refused}. Nothing of it would be stored.")
            if hint:
                call.out.line(hint)
            return
        told = {
            "field": [one.field for one in explanation.fields],
            "from": [one.source or "-" for one in explanation.fields],
            "fate": [one.fate for one in explanation.fields],
            "stored": [_stored(one) for one in explanation.fields],
            "how": [one.how for one in explanation.fields],
            "purpose": [one.purpose for one in explanation.fields],
        }
        if not any(one.source for one in explanation.fields):
            del told["from"]
        call.out.table(list(told), list(zip(*told.values(), strict=True)))
        if undeclared:
            call.out.line(f"{undeclared} undeclared: dropped with their names, never stored.")

    call.out.result(document, text)


def _stored(story: FieldStory) -> str:
    """`column=value` of an explained event, else the columns' names."""
    values = [f"{name}={value}" for name, value in story.stored.items() if value is not None]
    return ", ".join(values or story.stored) or "-"


def _newest(call: Invocation) -> list[EventSchema]:
    """The newest schema of every event, by name."""
    return [versions[-1] for _, versions in sorted(open_schemas(call.settings).items())]


@command.command("ddl")
@click.argument("engine", type=Closed(ENGINES))
@configured
def print_ddl(call: Invocation, engine: str) -> None:
    """Print the statements that create tables and views of the lake in ENGINE."""
    from pipeline.ops.ddl import ddl

    statements = ddl(engine, _newest(call), call.settings.lake.path or _PLACEHOLDER)
    call.out.result({"engine": engine, "statements": statements}, lambda: call.out.line(statements))


@command.command("dbt")
@configured
def print_dbt(call: Invocation) -> None:
    """Print the lake's tables as sources of dbt (sources.yml), with tests of their columns."""
    from pipeline.ops.dbt import dbt_sources

    place = call.settings.lake.path or _PLACEHOLDER
    text = dbt_sources(_newest(call), open_catalogue(call.settings), place)
    call.out.result({"sources": text}, lambda: click.echo(text, nl=False))


@command.command("dictionary")
@click.option(
    "--format",
    "shape",
    type=Closed(["markdown", "html"]),
    default="markdown",
    show_default=True,
    help="html is one page without script or request.",
)
@configured
def print_dictionary(call: Invocation, shape: str) -> None:
    """Print the data dictionary: every table, column and closed list of the schemas in force.

    \b
        telemetry schema dictionary --format html > dictionary.html
    """
    from pipeline.ops.dictionary import as_markdown, dictionary
    from pipeline.ops.dictionary_page import as_page

    told = dictionary(_newest(call), open_catalogue(call.settings))
    made = "Made by `telemetry schema dictionary` of the schemas in force."
    text = as_markdown(told, made) if shape == "markdown" else as_page(told, __version__)
    call.out.result({"format": shape, "dictionary": text}, lambda: click.echo(text, nl=False))
