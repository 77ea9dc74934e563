"""The demo's last steps: publish what the gate lets through, and show it as one page."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.dashboard import write_site
from pipeline.cli.rollup import publish, show_report

if TYPE_CHECKING:
    from pipeline.cli.demo_steps import Demo, Result

SITE = "dashboard"
ANNOTATIONS = "annotations.toml"


def rollup(demo: Demo) -> Result:
    """Publish every closed day, week and key period."""
    from pipeline.cli.demo_steps import Result

    report = publish(demo.call)
    return Result(asdict(report), lambda: show_report(demo.call, report))


def dashboard(demo: Demo) -> Result:
    """Build the page; open it in a browser on a terminal, unless that is not wanted."""
    from pipeline.cli.demo_steps import Result
    from pipeline.io.rollups import write_atomically

    notes = demo.folder / ANNOTATIONS
    write_atomically(notes, marks_of(demo.world().incident, demo.call.now()).encode())
    page, size = write_site(demo.call, demo.folder / SITE, notes)

    def show() -> None:
        demo.call.out.line(f"{page} ({size / 2**20:.2f} MiB, one file, no outside request)")
        if demo.open_result and sys.stdout.isatty():
            click.launch(Path(page).absolute().as_uri())

    return Result({"page": str(page), "bytes": size}, show)


def marks_of(incident: tuple[int, int] | None, now: datetime) -> str:
    """The demo's marks on the time axis: its incident, and a release a week ago."""
    release = (now.timestamp() - 7 * 86_400, "release", "astack-python 3.2")
    marks = [release]
    if incident is not None:
        marks.append((incident[0] / 1e6, "incident", "Model workers overloaded"))
    return "".join(
        f"[[annotation]]\nday = {datetime.fromtimestamp(moment, UTC):%Y-%m-%d}\n"
        f'kind = "{kind}"\ntext = "{text}"\n\n'
        for moment, kind, text in sorted(marks)
    )
