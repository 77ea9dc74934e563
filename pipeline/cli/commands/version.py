"""`telemetry version`: which version this is, as `--version` says too, and which decoder runs."""

from __future__ import annotations

import click

from pipeline import __version__, native
from pipeline.cli.frame.options import Invocation, reporting


@click.command()
@reporting
def command(call: Invocation) -> None:
    """Print the version of this program, and which decoder it runs."""
    decoder = native.running()

    def text() -> None:
        call.out.line(f"telemetry, version {__version__}")
        call.out.line(f"decoder: {decoder}")

    call.out.result({"version": __version__, "decoder": decoder}, text)
