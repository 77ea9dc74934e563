"""Command groups that suggest the nearest name for one that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import click


def no_command(name: str, known: Sequence[str]) -> str:
    """What to say about an unknown command.

    The word itself is not repeated: `telemetry optout ID` would print an account id.
    """
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return "there is no command of this name" + (f"; did you mean {near[0]}?" if near else "")


class Subcommands(click.Group):
    """A command with commands of its own."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest the nearest name."""
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise click.UsageError(no_command(args[0], self.list_commands(ctx)), ctx)
        return super().resolve_command(ctx, args)
