"""`telemetry rollup`: publish the closed days as tables that have passed the privacy gate."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.lists import open_receipts
from pipeline.cli.wiring.opening import (
    epochs_of,
    has_keys,
    open_country,
    open_keystore,
    open_lake,
    open_schemas,
    warn_if_empty,
)
from pipeline.cli.wiring.registry import open_registry
from pipeline.errors import counted
from pipeline.io.state_folder import StateFolder

if TYPE_CHECKING:
    from pipeline.io.lake.publications import RollupStore
    from pipeline.ops.rollup.lake_files import LakeView
    from pipeline.ops.rollup.pipeline_metrics import Facts
    from pipeline.ops.rollup.run import RollupReport


@click.command()
@click.option(
    "--min-accounts",
    type=click.IntRange(min=11),
    metavar="N",
    default=20,
    show_default=True,
    help="Fewest accounts of a published cell; never below 11.",
)
@click.option(
    "--keep-days",
    type=click.IntRange(min=90),
    metavar="N",
    default=760,
    show_default=True,
    help="How long a publication is kept; it may outlive the rows.",
)
@click.option(
    "--release",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a differentially private release for people outside, too (extra dp).",
)
@click.option(
    "--regenerate",
    is_flag=True,
    help="Replace publications made by another version, from the rows that are still stored.",
)
@configured
def command(
    call: Invocation, min_accounts: int, keep_days: int, release: Path | None, regenerate: bool
) -> None:
    """Publish what is due: every closed day, week and key period that is new or has changed.

    A day is closed two hours after midnight UTC. Tables are written to LAKE/rollups as Parquet.
    A published figure stays as it is, unless it grows by 20 accounts or more.
    """
    if regenerate:
        names = replaced(call)
        call.out.say(
            f"Removed the publications of {counted(len(names), 'metric')} of another version."
        )
    report = publish(call, min_accounts, keep_days)
    if not report.windows:
        warn_if_empty(call)
    document: dict[str, object] = asdict(report)
    released: dict[str, object] | None = None
    if release is not None:
        from pipeline.cli.commands.rollup_release import write_release

        released = document["release"] = write_release(call, release)

    def text() -> None:
        show_report(call, report)
        if released is not None:
            cells = counted(int(str(released["cells"])), "cell")
            call.out.line(f"Released {cells} to {release}: {released['spent']}")

    call.out.result(document, text)


def publish(call: Invocation, min_accounts: int = 20, keep_days: int = 760) -> RollupReport:
    """Run the rollup on the lake of the settings."""
    from pipeline.ops.rewrite import on_snapshot
    from pipeline.ops.rollup.lake_files import RemoteFiles, look_at, paths_of
    from pipeline.ops.rollup.run import Contents, RollupSettings, roll_up
    from pipeline.privacy.figures.gate import Rule

    settings = call.settings
    lake = open_lake(settings)
    schemas = {event: versions[-1].stored for event, versions in open_schemas(settings).items()}
    store = open_store(call)
    heads = cast("dict[str, int]", store.manifest().get("heads", {}))
    registry = open_registry(call)
    how = RollupSettings(
        secret=open_keystore(settings, call.now).permanent_key("figures"),
        epoch=epochs_of(settings),
        rule=Rule(accounts=min_accounts),
        keep_days=keep_days,
        spill=None if settings.state.path is None else StateFolder(settings.state.path).spill,
    )

    def run(view: LakeView) -> RollupReport:
        datasets = None if view.direct else RemoteFiles(lake, schemas)
        contents = Contents(registry, view.files, schemas, facts_of(call, view), datasets)
        return roll_up(contents, store, how, call.now(), time.monotonic)

    return on_snapshot(lambda: look_at(lake, schemas, heads, call.now()), paths_of, run)


def replaced(call: Invocation) -> list[str]:
    """Remove publications of another format; refuse to remove those of this one."""
    from pipeline.errors import UsageError
    from pipeline.io.lake.publications import FORMAT

    store = open_store(call)
    if store.manifest().get("version") == FORMAT:
        raise UsageError(
            "The publications are of this version",
            where=store.uri,
            why="published figures are frozen: a second version of them could be subtracted",
            remedy="Leave out --regenerate.",
        )
    return store.clear(open_registry(call).metrics)


def open_store(call: Invocation) -> RollupStore:
    """Where the publications of this lake are."""
    return open_lake(call.settings).rollups()


def facts_of(call: Invocation, view: LakeView) -> Facts:
    """What is known besides rows: commits, keys, the last expiry, the country database."""
    from pipeline.ops.rollup.pipeline_metrics import Facts

    database = open_country(call.settings)
    info = database.info
    database.close()
    state = call.settings.state.path
    live = destroyed = None
    expired: list[str] = []
    if state is not None and has_keys(call.settings):
        epochs = open_keystore(call.settings, call.now).epochs()
        live = sum(epoch.live for epoch in epochs)
        destroyed = len(epochs) - live
        expired = [
            receipt.at for receipt in open_receipts(call.settings).all() if receipt.kind == "expire"
        ]
    return Facts(
        commits=view.commits,
        late=view.late,
        newest_commit=view.newest_commit,
        oldest_day=view.oldest_day,
        last_expiry=max(expired, default=None),
        epochs_live=live,
        epochs_destroyed=destroyed,
        geo={"type": info.type, "built": str(info.built_on), "credit": info.credit or ""},
        heads=view.heads,
    )


def show_report(call: Invocation, report: RollupReport) -> None:
    """Say what a run published."""
    if not report.windows:
        call.out.line("Nothing is due: every closed day has been published.")
        return
    call.out.line(
        f"Published {counted(report.published, 'cell')} of {counted(report.windows, 'window')}, "
        f"{report.revised:,} of them corrected, in {report.seconds:.1f} s."
    )
    call.out.line(f"{counted(report.hidden_tables, 'table')} had cells too small to be shown.")
