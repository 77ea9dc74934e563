"""`telemetry dashboard`: the rollups as one page, built once or served while they change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.commands.rollup import open_store
from pipeline.cli.frame.groups import Subcommands
from pipeline.cli.frame.options import Invocation, configured

if TYPE_CHECKING:
    from pipeline.dashboard.annotations import Annotation
    from pipeline.dashboard.site import Published
    from pipeline.dashboard.words import Words

_ANNOTATIONS = click.option(
    "--annotations",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="TOML file of releases and incidents that the charts mark; else that of the settings.",
)


@click.group(cls=Subcommands)
def command() -> None:
    """Show the published figures as one self-contained page."""


@command.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("dashboard"),
    show_default=True,
    help="Folder of the site.",
)
@click.option("--open", "open_page", is_flag=True, help="Open the page in a browser.")
@_ANNOTATIONS
@configured
def build(call: Invocation, out: Path, open_page: bool, annotations: Path | None) -> None:
    """Write the page, and a JSON file per metric, to a folder.

    The page is one file without any outside request: open it, mail it, archive it. What it
    shows comes from LAKE/rollups alone; run `telemetry rollup` first.
    """
    page, size = write_site(call, out, annotations)

    def text() -> None:
        call.out.line(f"{page} ({size / 2**20:.2f} MiB)")

    call.out.result({"page": str(page), "bytes": size}, text)
    if open_page:
        click.launch(page.absolute().as_uri())


@command.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8765,
    show_default=True,
    metavar="N",
    help="Port on the loopback interface; 0 takes a free one.",
)
@_ANNOTATIONS
@configured
def serve(call: Invocation, port: int, annotations: Path | None) -> None:
    """Serve the page on this machine alone, rebuilt whenever the rollups or the marks change.

    A page that is open in a browser follows.

    SIGINT (Ctrl-C) and SIGTERM stop it.
    """
    import signal

    from pipeline.dashboard.serve import SiteServer
    from pipeline.dashboard.site import Site

    store = open_store(call)
    marks = annotations or call.settings.dashboard.annotations
    site = Site(
        lambda: read_published(call),
        lambda: (store.stamp(), _changed(marks)),
        lambda: read_annotations(marks),
        call.now,
        words_of(call),
    )
    site.files()
    with SiteServer(site.files, port) as server:
        try:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            call.out.result({"url": server.url}, lambda: call.out.line(server.url))
            call.out.say("Press Ctrl-C to stop.")
            server.serve_forever()
        except KeyboardInterrupt:
            call.out.say("Stopped.")


def _changed(file: Path | None) -> int:
    """When the file was last changed; 0 if there is none."""
    try:
        return file.stat().st_mtime_ns if file else 0
    except OSError:
        return 0


def write_site(call: Invocation, out: Path, annotations: Path | None) -> tuple[Path, int]:
    """Build the site into a folder; return the page's path and size. The page is written last.

    After a failure the last good page stays, with a notice above its figures.
    """
    from pipeline.dashboard.page import with_notice
    from pipeline.dashboard.site import PAGE, build, failure
    from pipeline.errors import TelemetryError
    from pipeline.io.disk.atomic import write_file

    try:
        marks = read_annotations(annotations or call.settings.dashboard.annotations)
        files = build(read_published(call), marks, call.now(), words=words_of(call))
    except TelemetryError as error:
        page = out / PAGE
        noted = with_notice(page.read_text("utf-8"), failure(error)) if page.is_file() else None
        if noted is not None:
            write_file(page, [noted.encode()])
        raise
    for name, content in sorted(files.items(), key=lambda item: item[0] == PAGE):
        write_file(out / name, [content.encode()])
    return out / PAGE, len(files[PAGE].encode())


def words_of(call: Invocation) -> Words:
    """What the settings call things. Raises SettingsError."""
    from pipeline.dashboard.words import Words

    told = call.settings.dashboard
    return Words(told.title, told.labels, told.tiles)


def read_published(call: Invocation) -> Published:
    """What the last rollup of the lake left."""
    from pipeline.dashboard.site import Published
    from pipeline.ops.rollup.publication import PUBLISHED

    store = open_store(call)
    manifest: Mapping[str, object] = store.manifest()
    metrics = manifest.get("metrics", [])
    assert isinstance(metrics, list)
    names = [metric["name"] for metric in metrics]
    return Published({name: store.read(name, PUBLISHED) for name in names}, manifest)


def read_annotations(file: Path | None) -> Sequence[Annotation]:
    """The marks of the file; none without one."""
    from pipeline.dashboard.annotations import parse_annotations
    from pipeline.errors import SettingsError

    if file is None:
        return []
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            "the annotations cannot be read",
            where=str(file),
            why=type(error).__name__,
            remedy="Name a readable TOML file with --annotations",
        ) from None
    return parse_annotations(text, str(file))
