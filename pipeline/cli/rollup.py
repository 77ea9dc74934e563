"""`telemetry rollup`: publish the closed days as tables that have passed the privacy gate."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from pipeline.cli.opening import country_path, has_keys, open_keystore, open_lake, open_schemas
from pipeline.cli.options import Invocation, configured

if TYPE_CHECKING:
    from pipeline.io.rollups import RollupStore
    from pipeline.ops.rollup import Report
    from pipeline.ops.rollup_facts import Facts
    from pipeline.ops.rollup_lake import LakeView
    from pipeline.ops.rollup_registry import Registry


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
@configured
def command(call: Invocation, min_accounts: int, keep_days: int, release: Path | None) -> None:
    """Publish what is due: every closed day, week and key period that is new or has changed.

    A day is closed two hours after midnight UTC. Tables are written to LAKE/rollups as Parquet.
    A published figure stays as it is, unless it grows by 20 accounts or more.
    """
    report = publish(call, min_accounts, keep_days)
    document: dict[str, object] = asdict(report)
    released: dict[str, object] | None = None
    if release is not None:
        from pipeline.cli.rollup_release import write_release

        released = document["release"] = write_release(call, release)

    def text() -> None:
        show_report(call, report)
        if released is not None:
            call.out.line(f"Released {released['cells']} cells to {release}: {released['spent']}")

    call.out.result(document, text)


def publish(call: Invocation, min_accounts: int = 20, keep_days: int = 760) -> Report:
    """Run the rollup on the lake of the settings."""
    from pipeline.ops.rollup import RollupSettings, roll_up
    from pipeline.ops.rollup_lake import RemoteFiles, look_at
    from pipeline.privacy.epochs import EpochKind
    from pipeline.privacy.gate import Rule

    settings = call.settings
    lake = open_lake(settings)
    schemas = {event: versions[-1].stored for event, versions in open_schemas(settings).items()}
    store = open_store(call)
    heads = cast("dict[str, int]", store.manifest().get("heads", {}))
    view = look_at(lake, schemas, heads, call.now())
    return roll_up(
        open_registry(call),
        view.files,
        schemas,
        store,
        facts_of(call, view),
        RollupSettings(
            epoch=EpochKind(settings.privacy.epoch),
            rule=Rule(accounts=min_accounts, rounding=10),
            keep_days=keep_days,
            spill=None if settings.state.path is None else settings.state.path / "spill",
        ),
        call.now(),
        time.monotonic,
        None if view.direct else RemoteFiles(lake, schemas),
    )


def open_registry(call: Invocation) -> Registry:
    """The metrics beside the schemas in use, or the packaged ones."""
    from pipeline.io.resources import METRICS, load_metrics
    from pipeline.ops.rollup_registry import parse_registry
    from pipeline.privacy.epochs import EpochKind

    folder = call.settings.schemas.directory
    own = folder / METRICS if folder is not None and (folder / METRICS).is_dir() else None
    return parse_registry(load_metrics(own), EpochKind(call.settings.privacy.epoch))


def open_store(call: Invocation) -> RollupStore:
    """Where the publications of this lake lie."""
    return open_lake(call.settings).rollups()


def facts_of(call: Invocation, view: LakeView) -> Facts:
    """What is known besides rows: commits, keys, the last expiry, the country database."""
    from pipeline.io.geo import CountryDatabase
    from pipeline.io.receipts import Receipts
    from pipeline.ops.rollup_facts import Facts

    database = CountryDatabase(country_path(call.settings))
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
            receipt.at
            for receipt in Receipts(state / "receipts.ndjson").all()
            if receipt.kind == "expire"
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


def show_report(call: Invocation, report: Report) -> None:
    """Say what a run published."""
    if not report.windows:
        call.out.line("Nothing is due: every closed day has been published.")
        return
    call.out.line(
        f"Published {report.published:,} cells of {report.windows:,} windows, "
        f"{report.revised:,} of them corrected, in {report.seconds:.1f} s."
    )
    call.out.line(f"{report.hidden_cells:,} cells were too small to stand alone.")
