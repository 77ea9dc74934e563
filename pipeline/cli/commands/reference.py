"""`telemetry reference`: the pages of docs/ that are generated entirely from code and schemas.

cli.md, configuration.md, dictionary.md, metrics.md and the settings' JSON Schema.

A test compares the files with what this module makes, so they cannot fall behind.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

import click

from pipeline.cli.declared import DECLARED
from pipeline.cli.frame.options import Invocation, reporting
from pipeline.cli.main import COMMANDS, telemetry
from pipeline.errors import UsageError, counted
from pipeline.settings import Settings, SourceSettings
from pipeline.settings.declared import Declaration
from pipeline.settings.json_schema import settings_schema
from pipeline.settings.load import has_variable, variable
from pipeline.settings.values import written

_WIDTH = 100
_MADE = "<!-- Made by `telemetry reference`: change the code, then run it. -->"


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path("docs"))
@click.option("--check", is_flag=True, help="Write nothing; fail if a file is out of date.")
@reporting
def command(call: Invocation, folder: Path, check: bool) -> None:
    """Write the reference of commands, settings, tables and metrics into FOLDER."""
    pages = {
        "cli.md": cli_page(),
        "configuration.md": configuration_page(),
        "dictionary.md": packaged_dictionary(),
        "metrics.md": packaged_metrics_page(),
        "telemetry.schema.json": json.dumps(settings_schema(DECLARED), indent=2) + "\n",
    }
    stale = [
        name
        for name, text in pages.items()
        if not (folder / name).exists() or (folder / name).read_text("utf-8") != text
    ]
    if check and stale:
        raise UsageError(
            "the reference is out of date",
            where=", ".join(stale),
            remedy="Run telemetry reference, and commit what it wrote",
        )
    for name in stale:
        (folder / name).write_text(pages[name], "utf-8")
    call.out.result(
        {"written": stale}, lambda: call.out.say(f"{counted(len(stale), 'file')} written")
    )


def packaged_dictionary() -> str:
    """The data dictionary of the packaged schemas as Markdown."""
    from pipeline.io.package_data import load_catalogue, load_schemas
    from pipeline.ops.dictionary import as_markdown, dictionary

    catalogue = load_catalogue(None)
    newest = [versions[-1] for _, versions in sorted(load_schemas(None, catalogue).items())]
    made = "<!-- Made by `telemetry reference` from schemas/: change those, then run it. -->"
    return as_markdown(dictionary(newest, catalogue), made)


def packaged_metrics_page() -> str:
    """The packaged metric registry as Markdown."""
    from pipeline.events.schema import withheld
    from pipeline.io.package_data import load_catalogue, load_metrics, load_schemas
    from pipeline.ops.rollup.metrics_page import metrics_page
    from pipeline.ops.rollup.registry import parse_registry
    from pipeline.privacy.identity.epochs import EpochKind

    hidden = withheld(load_schemas(None, load_catalogue(None)))
    return metrics_page(parse_registry(load_metrics(), EpochKind.FOUR_WEEKS, hidden))


def cli_page() -> str:
    """The command reference as Markdown."""
    lines = [
        "# Commands",
        "",
        _MADE,
        "",
        "Data goes to standard output, messages to standard error. Every command has `--json`,",
        "`--quiet` and `--verbose`; every command that touches data has `--lake`, `--state`,",
        "`--config` and `--now`. What a failure prints, and what to do about it, is in",
        "[troubleshooting.md](troubleshooting.md).",
        "",
        "| exit code | meaning |",
        "| --- | --- |",
        "| 0 | done |",
        "| 1 | failed |",
        "| 2 | invalid usage |",
        "| 3 | the settings or the environment are not ready |",
        "| 4 | a privacy gate is closed: continuing could break a promise |",
        "| 130 | interrupted |",
        "",
    ]
    top = click.Context(
        telemetry, info_name="telemetry", terminal_width=_WIDTH, **telemetry.context_settings
    )
    lines += ["```text", telemetry.get_help(top), "```", ""]
    for title, entries in COMMANDS.items():
        lines += [f"## {title}", ""]
        for entry in entries:
            command = telemetry.get_command(top, entry.name)
            if command is not None and not entry.hidden:
                lines += _command(command, entry.name, top, "###")
    return "\n".join(lines).rstrip() + "\n"


def _command(command: click.Command, name: str, parent: click.Context, mark: str) -> list[str]:
    context = click.Context(command, parent=parent, info_name=name, terminal_width=_WIDTH)
    lines = [f"{mark} {context.command_path}", "", "```text", command.get_help(context), "```", ""]
    if isinstance(command, click.Group):
        for sub_name in command.list_commands(context):
            sub = command.get_command(context, sub_name)
            if sub is not None:
                lines += _command(sub, sub_name, context, mark + "#")
    return lines


def configuration_page() -> str:
    """The settings reference as Markdown."""
    lines = [
        "# Settings",
        "",
        _MADE,
        "",
        "Settings are TOML, in the file named by `--config` or `TELEMETRY_CONFIG`, else in",
        "`telemetry.toml` in the working directory. A flag wins over an environment variable, that",
        "over the file, that over the default. An unknown name is an error, never passed over.",
        "Relative paths in a file start at the file's folder. Secrets are given by reference only:",
        "`env:NAME`, `file:/path`, `gcp-sm:projects/P/secrets/S/versions/V`, `aws-sm:NAME` or",
        "`aws-sm:NAME#ENTRY`, `azure-kv:HOST/NAME`, `azure-kv:HOST/NAME/VERSION` or",
        "`azure-kv:HOST/NAME#ENTRY`, `vault:MOUNT/PATH#ENTRY`. An entry is that of an object.",
        "[Operations](operations.md#secrets) says what each needs.",
        "",
        "`telemetry config show` prints each value with its origin, `telemetry config validate`",
        "lists every problem. Editors complete and check the file with its JSON Schema",
        "([telemetry.schema.json](telemetry.schema.json), or what `telemetry config schema`",
        "prints): write `#:schema ./telemetry.schema.json` as the first line for taplo and the",
        'editors that use it, or `"$schema" = "./telemetry.schema.json"` before the sections.',
        "",
        "```toml",
        *_EXAMPLE.strip().splitlines(),
        "```",
        "",
    ]
    defaults = Settings()
    for section in dataclasses.fields(Settings):
        if section.name != "sources":
            values = getattr(defaults, section.name)
            lines += _section(section.name, values, DECLARED.settings_of(values))
    lines += _section("sources.NAME", SourceSettings(), DECLARED.source_settings().values())
    return "\n".join(lines).rstrip() + "\n"


_EXAMPLE = """
[lake]
path = "/srv/telemetry/lake"

[state]
path = "/srv/telemetry/state"

[privacy]
trusted_proxies = ["10.20.0.0/16"]

[sources.api]
event = "api_request"
files = ["/var/log/api/*.ndjson"]

[sources.sessions]
event = "session"
servers = ["kafka-1:9092", "kafka-2:9092"]
topic = "telemetry.session"
"""


def _section(name: str, section: object, settings: Iterable[Declaration]) -> list[str]:
    lines = [f"## [{name}]", "", (type(section).__doc__ or "").strip(), ""]
    lines += ["| setting | takes | default | variable | what |", "| --- | --- | --- | --- | --- |"]
    lines += [_row(name, one) for one in settings]
    return [*lines, ""]


def _row(section: str, one: Declaration) -> str:
    default = written(one.default)
    name = f"`{variable(section, one.name)}`" if has_variable(section, one.name) else ""
    shown = f"`{default}`" if default else ""
    return f"| `{one.name}` | {one.type.says} | {shown} | {name} | {one.says} |"
