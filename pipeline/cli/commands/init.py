"""`telemetry init`: from an existing log to settings and a catalogue that fit it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.frame.nearest import Closed
from pipeline.cli.frame.options import Invocation, check_envelope, unread_settings
from pipeline.errors import EnvironmentProblem, UsageError, counted
from pipeline.settings.load import PROJECT_FILE

if TYPE_CHECKING:
    from pipeline.cli.wiring.proposing import Proposal
    from pipeline.ops.proposal.account import SampleAccount


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--format", "format_", metavar="NAME|FILE", help="Format of the lines, if known.")
@click.option(
    "--envelope",
    type=Closed(["none", "cri", "docker"]),
    help="What a container runtime has put around each line, with --format.",
)
@click.option("--own-event", metavar="NAME", help="Begin a schema of an event of your own.")
@unread_settings
def command(
    call: Invocation,
    flags: Mapping[str, str | None],
    files: tuple[str, ...],
    format_: str | None,
    envelope: str | None,
    own_event: str | None,
) -> None:
    """Recognize the format of FILE, propose settings and a catalogue, show what would be stored.

    Looks at the first 1,000 lines and writes telemetry.toml (--config names another place) and
    catalogue/ beside it. No file is overwritten. Of the lines, only words of a closed list are
    printed or written.

    \b
        telemetry init access.log
        telemetry run --once
    """
    from pipeline.cli.wiring.opening import open_schemas
    from pipeline.cli.wiring.proposing import propose
    from pipeline.events.schema_file import NAME
    from pipeline.ops.proposal.files import SCHEMAS, schema_texts, settings_text
    from pipeline.settings import Settings

    check_envelope(envelope, format_)
    schemas = open_schemas(Settings())
    if own_event is not None and (not NAME.fullmatch(own_event) or own_event in schemas):
        raise UsageError(
            "--own-event is invalid",
            why="expected a new name in snake_case",
            remedy=f"These are taken: {', '.join(sorted(schemas))}",
        )
    config = call.config or Path(PROJECT_FILE)
    _check_free(config)
    proposal = propose(files, format_, envelope, schemas, call.now())
    texts = {f"catalogue/{name}": text for name, text in proposal.catalogue.items()}
    if own_event is not None:
        own = schema_texts(own_event, list(schemas))
        texts |= {f"{SCHEMAS}/{name}": text for name, text in own.items()}
    texts[config.name] = settings_text(
        [one.beside(config.parent) for one in proposal.inputs],
        flags["lake.path"] or "lake",
        flags["state.path"] or "state",
        own_schemas=own_event is not None,
    )
    _write(config.parent, texts)
    document = _document(proposal, config)
    call.out.result(document, lambda: _show(call, proposal, config))
    for warning in proposal.warnings:
        call.out.warn(warning)


def _check_free(config: Path) -> None:
    """Refuse to start where something would be overwritten."""
    for path in (config, config.parent / "catalogue", config.parent / "schemas"):
        if os.path.lexists(path):
            raise EnvironmentProblem(
                "something is there already, and nothing is overwritten",
                where=str(path),
                remedy="Move it away, or name another folder: --config FOLDER/telemetry.toml",
            )


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)


def _document(proposal: Proposal, config: Path) -> Mapping[str, object]:
    sources = []
    for one, account in zip(proposal.inputs, proposal.accounts, strict=True):
        fields = [
            {"field": f.field, "fate": f.fate, "lines": f.lines, "how": f.how}
            for f in account.fields
        ]
        sources.append(
            {
                "files": list(one.files),
                "event": one.event,
                "format": one.format,
                "envelope": one.envelope,
                "read": account.read,
                "kept": account.kept,
                "kept_with_backfill": account.old,
                "rejected": dict(account.rejected),
                "dropped": dict(account.dropped),
                "made_null": dict(account.nulled),
                "without_route": account.unmatched,
                "fields": fields,
            }
        )
    return {
        "settings": str(config),
        "sources": sources,
        "routes": len(proposal.routes),
        "lists": _sizes(proposal),
        "next": next_step(proposal, config),
    }


def _show(call: Invocation, proposal: Proposal, config: Path) -> None:
    for one, account in zip(proposal.inputs, proposal.accounts, strict=True):
        call.out.heading(
            f"{', '.join(one.files)}: {one.format or 'its own JSON'}, event {one.event}"
        )
        _show_account(call, account)
        call.out.line()
    for name, count in {"routes": len(proposal.routes), **_sizes(proposal)}.items():
        if count:
            call.out.line(f"{name}: {count:,} proposed in catalogue/{name}.yaml; look them through")
    call.out.line(f"written: {config} and {config.parent / 'catalogue'}/")
    call.out.line(f"next: {next_step(proposal, config)}")


def _show_account(call: Invocation, account: SampleAccount) -> None:
    there = [one for one in account.fields if one.lines]
    call.out.table(
        ["field", "becomes", "lines", "how"],
        [[one.field, one.fate, one.lines, one.how] for one in there],
    )
    absent = [one.field for one in account.fields if not one.lines]
    if absent:
        call.out.paragraph(f"not in these lines: {', '.join(absent)}")
    old = f" ({account.old:,} of them with --backfill)" if account.old else ""
    call.out.line(f"of {counted(account.read, 'line')}: kept {account.kept:,}{old}")
    for name, counts in (
        ("rejected", account.rejected),
        ("dropped", account.dropped),
        ("made null", account.nulled),
    ):
        if counts:
            told = ", ".join(f"{reason} {count:,}" for reason, count in counts.items())
            call.out.paragraph(f"{name}: {told}")
    if account.unmatched:
        call.out.line(f"without a route, stored as /{{unmatched}}: {account.unmatched:,}")


def _sizes(proposal: Proposal) -> Mapping[str, int]:
    return {name: len(values) for name, values in proposal.lists.items()}


def next_step(proposal: Proposal, config: Path) -> str:
    """Name the command to go on with."""
    words = ["telemetry run --once"]
    if config != Path(PROJECT_FILE):
        words.append(f"--config {config}")
    if any(account.old for account in proposal.accounts):
        words.append("--backfill")
    return " ".join(words)
