"""`telemetry completion`: the completion script of a shell."""

from __future__ import annotations

import click

from pipeline.cli.frame.nearest import Closed
from pipeline.cli.frame.options import Invocation, reporting

_WHERE = {
    "bash": 'eval "$(telemetry completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(telemetry completion zsh)"    # in ~/.zshrc',
    "fish": "telemetry completion fish > ~/.config/fish/completions/telemetry.fish",
}


@click.command()
@click.argument("shell", type=Closed(sorted(_WHERE)))
@reporting
def command(call: Invocation, shell: str) -> None:
    """Print the completion script of SHELL: bash, zsh or fish.

    \b
        eval "$(telemetry completion bash)"     in ~/.bashrc
        eval "$(telemetry completion zsh)"      in ~/.zshrc
        telemetry completion fish > ~/.config/fish/completions/telemetry.fish
    """
    from click.shell_completion import get_completion_class

    from pipeline.cli.main import telemetry

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError("this shell has no completion")
    script = kind(telemetry, {}, "telemetry", "_TELEMETRY_COMPLETE").source()
    call.out.result(
        {"shell": shell, "script": script, "install": _WHERE[shell]},
        lambda: call.out.line(script),
    )
