"""Command groups that suggest the nearest name for one that does not exist."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pipeline.cli.frame.nearest import did_you_mean


def no_command(name: str, known: Sequence[str]) -> str:
    """Say that a command is unknown, without repeating the word."""
    return f"There is no command of this name. {did_you_mean(name, known)}".rstrip(" .")


class Subcommands(click.Group):
    """A command that has subcommands."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest the nearest name."""
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise click.UsageError(no_command(args[0], self.list_commands(ctx)), ctx)
        return super().resolve_command(ctx, args)
