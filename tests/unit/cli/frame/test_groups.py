"""A group says that a subcommand is unknown, and which one is near."""

from __future__ import annotations

import click
import pytest

from pipeline.cli.frame.groups import Subcommands, no_command


@click.group(cls=Subcommands)
def group() -> None:
    """A group."""


@group.command()
def check() -> None:
    """Check."""


@group.command()
def remove() -> None:
    """Remove."""


def test_a_subcommand_is_found() -> None:
    assert group.resolve_command(click.Context(group), ["check", "x"])[2] == ["x"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("chek", "There is no command of this name. Did you mean check?"),
        ("remov", "There is no command of this name"),
        ("somebody@example.com", "There is no command of this name"),
    ],
)
def test_an_unknown_subcommand_is_invalid_usage(word: str, said: str) -> None:
    with pytest.raises(click.UsageError) as refused:
        group.resolve_command(click.Context(group), [word])
    assert refused.value.message == said == no_command(word, ["check", "remove"])
