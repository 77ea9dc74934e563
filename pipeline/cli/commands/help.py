"""`telemetry help`: the same text as `--help` after the command."""

from __future__ import annotations

import click

from pipeline.cli.frame.groups import no_command
from pipeline.cli.frame.options import Invocation, reporting
from pipeline.errors import UsageError


@click.command()
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@reporting
@click.pass_context
def command(context: click.Context, /, call: Invocation, words: tuple[str, ...]) -> None:
    """Show the help of a command, or of all.

    \b
        telemetry help
        telemetry help optout add
    """
    text = _help_of(context.find_root(), words)
    call.out.result({"help": text}, lambda: call.out.line(text))


def _help_of(context: click.Context, words: tuple[str, ...]) -> str:
    """Return the help text of the command that the words name, below the context's command."""
    for word in words:
        group = context.command
        if not isinstance(group, click.Group):
            raise UsageError(
                "this command has no commands of its own",
                where=context.command_path,
                remedy=f"See {context.command_path} --help",
            )
        found = group.get_command(context, word)
        if found is None:
            raise UsageError(
                no_command(word, group.list_commands(context)),
                where=context.command_path,
                remedy=f"See {context.command_path} --help",
            )
        context = click.Context(found, info_name=word, parent=context)
    return context.get_help()
