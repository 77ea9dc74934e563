"""`telemetry demo`: the whole path on one machine, from invented traffic to the results."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click

from pipeline.cli.declared import load_settings
from pipeline.cli.frame.logs import set_up_logging
from pipeline.cli.frame.options import (
    Invocation,
    number_option,
    read_time,
    reporting,
    seed_option,
)
from pipeline.errors import EnvironmentProblem, UsageError

SETTINGS_FILE = "telemetry.toml"
_MARK = "# Written by `telemetry demo`. The next demo replaces what is in this folder.\n"


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder of the demo; an earlier demo in it is replaced.",
)
@number_option(
    "--days", 1, 80, 60, "Days of traffic before now; from 57 on they hold a whole key period."
)
@number_option("--events", 1_000, 50_000_000, 200_000, "How many events.")
@seed_option("A different seed generates different traffic.")
@click.option("--no-open", is_flag=True, help="Do not open the result in a browser.")
@click.option("--now", callback=read_time, metavar="TIME", help="Take this as the current time.")
@reporting
def command(
    call: Invocation,
    folder: Path,
    days: int,
    events: int,
    seed: int,
    no_open: bool,
    now: datetime | None,
) -> None:
    """Generate traffic, run the pipeline on it, and show the output. Needs no service.

    Everything is in one folder: input/, lake/, state/, dashboard/ and telemetry.toml. The last
    step searches everything that was written for identifiers from the input.
    """
    from pipeline.cli.demo.scene import Demo
    from pipeline.cli.demo.steps import STEPS

    started = time.perf_counter()
    set_up_logging(call.out.verbose, call.out.log_form)
    settings_file = prepare(folder)
    settings = load_settings(settings_file, environ={})
    mine = replace(call, settings=settings, config=settings_file, fixed_now=now or call.now())
    demo = Demo(mine, folder, days, events, seed, open_result=not no_open)
    document: dict[str, object] = {"dir": str(folder)}
    for title, do in STEPS:
        if not call.out.json:
            call.out.line()
            call.out.heading(f"== {title}")
        result = do(demo)
        document[do.__name__] = result.document
        if not call.out.json:
            result.show()
    document["seconds"] = round(time.perf_counter() - started, 1)

    def farewell() -> None:
        call.out.line()
        call.out.line(f"Done in {document['seconds']} s. Look around:")
        call.out.line(f"    telemetry status --config {settings_file}")
        call.out.line(f'    telemetry sql --config {settings_file} "SUMMARIZE api_request"')

    call.out.result(document, farewell)


def prepare(folder: Path) -> Path:
    """Make the folder and remove what an earlier demo left in it; return its settings file.

    A folder that holds anything but a demo is refused: nobody's files are removed.
    """
    settings_file = folder / SETTINGS_FILE
    try:
        if folder.exists() and any(folder.iterdir()):
            if not (settings_file.is_file() and settings_file.read_text("utf-8").startswith(_MARK)):
                raise UsageError(
                    "the folder holds something that is not a demo",
                    where=str(folder),
                    remedy="Name another folder with --dir",
                )
            for name in ("input", "lake", "state", "dashboard"):
                shutil.rmtree(folder / name, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        settings_file.write_text(_MARK + settings_text(), "utf-8")
    except OSError as error:
        raise EnvironmentProblem(
            "the folder of the demo cannot be written",
            where=str(folder),
            why=error.strerror or type(error).__name__,
            remedy="Name another folder with --dir",
        ) from None
    return settings_file


def settings_text() -> str:
    """The demo's settings as TOML."""
    from pipeline.demo.traffic import EVENTS
    from pipeline.demo.world import DEMO_RANGES, PROXY_NETWORK

    ranges = ", ".join(f'"{network}"' for network in DEMO_RANGES)
    sources = "".join(
        f'\n[sources.{event}]\nevent = "{event}"\nfiles = ["input/{event}"]\n' for event in EVENTS
    )
    return (
        '\n[lake]\npath = "lake"\n\n[state]\npath = "state"\n\n[privacy]\n'
        f'trusted_proxies = ["{PROXY_NETWORK}"]\n'
        "# In a demo, and only there, reserved ranges take the place of real addresses.\n"
        f"public_ranges = [{ranges}]\n{sources}"
    )
