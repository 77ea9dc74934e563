"""`telemetry schema`: which events there are, what is stored of them and why, and DDL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.groups import Subcommands
from pipeline.cli.opening import (
    make_policy,
    newest_schema,
    open_catalogue,
    open_country,
    open_schemas,
)
from pipeline.cli.options import Invocation, configured
from pipeline.errors import UsageError

if TYPE_CHECKING:
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


@command.command()
@click.argument("event")
@click.argument("file", required=False, type=click.Path(allow_dash=True, path_type=Path))
@configured
def explain(call: Invocation, event: str, file: Path | None) -> None:
    """Tell field by field what is kept, generalised, tokenised or dropped of EVENT, and why.

    With FILE (or - for standard input) the first line of it is taken through the pipeline, and
    what would be stored is shown. What came in is not.
    """
    from pipeline.ops.explain import explain_event, explain_schema

    newest_schema(call.settings, event)
    schemas = open_schemas(call.settings)[event]
    if file is None:
        _show(call, explain_schema(schemas[-1]), undeclared=None)
        return
    message = _first_line(file)
    explanation = explain_event(
        message,
        schemas,
        open_catalogue(call.settings),
        open_country(call.settings),
        make_policy(call.settings, backfill=True),
        call.now(),
    )
    declared = {field.name for field in schemas[-1].fields}
    undeclared = None if explanation.refused else len(set(json.loads(message)) - declared)
    _show(call, explanation, undeclared=undeclared)


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


def _show(call: Invocation, explanation: Explanation, *, undeclared: int | None) -> None:
    fields = [
        {
            "field": story.field,
            "fate": story.fate,
            "how": story.how,
            "stored": dict(story.stored),
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
            return
        call.out.table(
            ["field", "fate", "stored", "how", "purpose"],
            [[s.field, s.fate, _stored(s), s.how, s.purpose] for s in explanation.fields],
        )
        if undeclared:
            call.out.line(f"{undeclared} undeclared: dropped with their names, never stored.")

    call.out.result(document, text)


def _stored(story: FieldStory) -> str:
    """`column=value` of an explained event, else the columns' names."""
    values = [f"{name}={value}" for name, value in story.stored.items() if value is not None]
    return ", ".join(values or story.stored) or "-"


@command.command("ddl")
@click.argument("engine", type=click.Choice(ENGINES))
@configured
def print_ddl(call: Invocation, engine: str) -> None:
    """Print the statements that create tables and views of the lake in ENGINE."""
    from pipeline.ops.ddl import ddl

    schemas = [versions[-1] for _, versions in sorted(open_schemas(call.settings).items())]
    statements = ddl(engine, schemas, call.settings.lake.path or _PLACEHOLDER)
    call.out.result({"engine": engine, "statements": statements}, lambda: call.out.line(statements))
