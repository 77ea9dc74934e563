"""The demo's last steps: publish what the gate lets through, and show it as one page."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.commands.dashboard import write_site
from pipeline.cli.commands.rollup import publish, show_report
from pipeline.cli.demo.scene import Demo, StepResult

if TYPE_CHECKING:
    from pipeline.demo.profile import Profile
    from pipeline.demo.story import Story

SITE = "dashboard"
ANNOTATIONS = "annotations.toml"


def rollup(demo: Demo) -> StepResult:
    """Publish every closed day, week and key period."""

    report = publish(demo.call)
    return StepResult(asdict(report), lambda: show_report(demo.call, report))


def dashboard(demo: Demo) -> StepResult:
    """Build the page; open it in a browser when on a terminal, unless that is not wanted."""
    from pipeline.io.disk.atomic import write_file

    notes = demo.folder / ANNOTATIONS
    world = demo.world()
    write_file(notes, [marks_of(world.story, world.profile).encode()])
    page, size = write_site(demo.call, demo.folder / SITE, notes)

    def show() -> None:
        demo.call.out.line(f"{page} ({size / 2**20:.2f} MiB, one file, no outside request)")
        if demo.open_result and sys.stdout.isatty():
            click.launch(Path(page).absolute().as_uri())

    return StepResult({"page": str(page), "bytes": size}, show)


def marks_of(story: Story, profile: Profile) -> str:
    """The demo's marks on the time axis: its incident and its release."""
    marks = []
    if story.incident is not None:
        marks.append((story.incident[0], "incident", profile.incident.title))
    if story.release_us is not None:
        marks.append((story.release_us, "release", profile.release.title))
    return "".join(
        f"[[annotation]]\nday = {datetime.fromtimestamp(moment / 1e6, UTC):%Y-%m-%d}\n"
        f'kind = "{kind}"\ntext = "{text}"\n\n'
        for moment, kind, text in sorted(marks)
    )
