"""The command `telemetry`: the table of commands, and the way from arguments to an exit code.

Adding a command is a module that defines `command`, and a line in `COMMANDS`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

import click

from pipeline import __version__
from pipeline.cli.frame import errors as failures
from pipeline.cli.frame.groups import Subcommands
from pipeline.cli.frame.logs import levels_of_one_command
from pipeline.errors import TelemetryError


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """One command: its module in `pipeline.cli.commands`, and the line that help shows for it."""

    name: str
    module: str
    summary: str
    hidden: bool = False


COMMANDS: dict[str, tuple[CommandEntry, ...]] = {
    "Start here": (
        CommandEntry(
            "init", "init", "Begin with a log: settings, catalogue, and what would be stored."
        ),
        CommandEntry("demo", "demo", "Generate, run, look: the whole path without a service."),
        CommandEntry(
            "doctor",
            "doctor",
            "Check this machine and installation, with the fix for each problem.",
        ),
    ),
    "Move events": (
        CommandEntry(
            "run", "run", "Read events, anonymize them, write the lake, each exactly once."
        ),
        CommandEntry("generate", "generate", "Generate realistic events with every awkward case."),
        CommandEntry("kafka", "kafka", "Record lost messages of a topic."),
        CommandEntry("status", "status", "Show positions, lag, rows, keys and opt-out freshness."),
    ),
    "Keep the lake": (
        CommandEntry("seal", "seal", "Sort, deduplicate and compact closed days."),
        CommandEntry("expire", "expire", "Show what is too old, and delete what was shown."),
    ),
    "Look at data": (
        CommandEntry("sql", "sql", "Query the lake's snapshot with DuckDB."),
        CommandEntry("schema", "schema", "List events, explain what is stored and why, print DDL."),
        CommandEntry(
            "rollup", "rollup", "Publish closed days as tables that passed the privacy gate."
        ),
        CommandEntry("iceberg", "iceberg", "Offer sealed days to readers of Apache Iceberg."),
        CommandEntry("dashboard", "dashboard", "Build or serve the page of the published figures."),
    ),
    "Privacy": (
        CommandEntry("optout", "optout", "Add, remove or check opt-outs."),
        CommandEntry("erase", "erase", "Count the stored rows of accounts, or erase them."),
        CommandEntry("restrict", "restrict", "Stop processing of accounts: rows leave every view."),
        CommandEntry("release", "release", "End the restriction of accounts."),
        CommandEntry("export", "export", "Hand out everything that is stored of one account."),
        CommandEntry("requests", "requests", "Serve, carry out and list rights requests."),
        CommandEntry("audit", "audit", "Prove every promise on what is stored; write a report."),
        CommandEntry(
            "record", "record", "Write the record of processing activities (GDPR Art. 30)."
        ),
        CommandEntry("hold", "hold", "Keep days for a legal case."),
        CommandEntry("receipts", "receipts", "List what was destroyed; verify the record of it."),
        CommandEntry("keys", "keys", "Show the key of each epoch."),
    ),
    "Set up": (
        CommandEntry("help", "help", "Show the help of a command."),
        CommandEntry("explain", "explain", "Explain the code of an error; needs no network."),
        CommandEntry("version", "version", "Print the version."),
        CommandEntry("config", "config", "Show the settings and their origins, check them."),
        CommandEntry("geoip", "geoip", "Import a country database, or show the one in use."),
        CommandEntry("completion", "completion", "Print the completion script of a shell."),
        CommandEntry(
            "reference", "reference", "Write docs/cli.md and docs/configuration.md.", True
        ),
    ),
}
"""Every command, by the group that help shows it in."""

_BY_NAME = {entry.name: entry for group in COMMANDS.values() for entry in group}


class CommandTable(Subcommands):
    """A group that imports the module of a command when the command is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every visible command, in the order of the table."""
        del ctx
        return [name for name, entry in _BY_NAME.items() if not entry.hidden]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported now; None if there is none."""
        del ctx
        entry = _BY_NAME.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = import_module(f"pipeline.cli.commands.{entry.module}").command
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a reader of its output that has gone away (`| head`) ends it well."""
        try:
            result: object = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _abandon_output()
            return 0
        return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by group, without importing any."""
        del ctx
        for title, entries in COMMANDS.items():
            rows = [(entry.name, entry.summary) for entry in entries if not entry.hidden]
            with formatter.section(title):
                formatter.write_dl(rows)


@click.group(
    cls=CommandTable,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
@click.version_option(__version__, prog_name="telemetry")
def telemetry() -> None:
    """Usage telemetry without identifiers: events in, anonymized Parquet out.

    Settings come from flags, then TELEMETRY_* variables, then telemetry.toml. Every command has
    --json. Exit codes: 0 done, 1 failed, 2 invalid usage, 3 the settings or the environment are
    not ready, 4 privacy gate closed, 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code; every failure is reported on standard error."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = words[: words.index("--")] if "--" in words else words
    try:
        with levels_of_one_command():
            code = telemetry.main(words, prog_name="telemetry", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return failures.INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        failure: TelemetryError = failures.usage(error)
    except TelemetryError as error:
        failure = error
    except Exception as error:
        known = failures.refused(error) if isinstance(error, OSError) else None
        verbose = bool({"--verbose", "-v", "-vv"} & set(options))
        failure = known or failures.unexpected(error, verbose=verbose)
    _abandon_output()
    render = failures.as_json if "--json" in options else failures.as_text
    click.echo(render(failure), err=True)
    return failure.exit_code


def _abandon_output() -> None:
    """Discard what standard output no longer takes: it would fail again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
