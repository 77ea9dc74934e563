"""`telemetry audit`: prove the promises on what is stored, and hand the proof over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline import __version__
from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.lists import (
    open_holds,
    open_queue,
    open_receipts,
    optout_list,
    optout_topic,
)
from pipeline.cli.wiring.opening import (
    epochs_of,
    has_keys,
    open_catalogue,
    open_ceilings,
    open_keystore,
    open_lake,
    open_schemas,
)
from pipeline.cli.wiring.topics import topics_of
from pipeline.errors import EnvironmentProblem, UsageError

if TYPE_CHECKING:
    from pipeline.ops.audit.audit import Audited, Report, Transport
    from pipeline.privacy.optout import Standing

SHORTEST = 8
_LOOPBACK = ("localhost", "127.", "[::1]")


@click.command()
@click.option("--html", type=click.Path(path_type=Path), help="Also write a report to this file.")
@click.option(
    "--deploy",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Also check deployment files: dashboards, topics.",
)
@click.option(
    "--canaries",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Search for these identifiers, one a line, and for their hashes; never printed.",
)
@click.option(
    "--dashboard",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Also compare the dashboard in this folder with the publications.",
)
@click.option(
    "--all-figures",
    is_flag=True,
    help="Also recompute figures of windows of over 8 million rows; needs a rollup's memory.",
)
@configured
def command(
    call: Invocation,
    html: Path | None,
    deploy: Path | None,
    canaries: Path | None,
    dashboard: Path | None,
    all_figures: bool,
) -> int:
    """Check every promise on stored bytes, logs, settings, receipts and deployment files.

    Anything that no rule allows is a finding: every file, log entry, line and value. Exit code 1 if
    a promise is broken; its name, the check and the places are printed, never a stored value. What
    could not be examined is "not verified", never kept. Reads the whole lake, changes nothing.
    """
    from pipeline.io.disk.atomic import write_file
    from pipeline.ops.audit.audit import audit
    from pipeline.ops.audit.checks import CHECKS, packaged_promises
    from pipeline.ops.audit.report_page import page

    audited = open_audited(call, deploy, canaries, dashboard, all_figures)
    report = audit(audited, packaged_promises(), CHECKS)
    if html is not None:
        write_file(html, [page(report, __version__).encode()])
    call.out.result(as_document(report), lambda: show_report(call, report, html))
    return 1 if report.broken else 0


def open_audited(
    call: Invocation,
    deploy: Path | None = None,
    canaries: Path | None = None,
    dashboard: Path | None = None,
    all_figures: bool = False,
) -> Audited:
    """Everything that an audit looks at; opening it creates nothing."""
    from pipeline.cli.wiring.registry import open_registry
    from pipeline.ops.audit.audit import Audited

    settings = call.settings
    state = settings.need_state()
    if not has_keys(settings):
        raise EnvironmentProblem(
            "There is no installation to audit here",
            where=str(state),
            remedy="Pass the --state of the pipeline; it has keys after its first event.",
        )

    def optouts() -> tuple[Mapping[str, Standing], timedelta | None]:
        if settings.kafka.optout_topic is None:
            with optout_list(call) as opened:
                return opened.standings(), None
        topic = optout_topic(settings, call.now)()
        try:
            return topic.load().standings, topic.age(call.now())
        finally:
            topic.close()

    return Audited(
        lake=open_lake(settings, repairs=False, holds=True),
        state=state,
        schemas=open_schemas(settings),
        catalogue=open_catalogue(settings),
        registry=open_registry(call),
        ceilings=open_ceilings(settings),
        keys=lambda: open_keystore(settings, call.now),
        optouts=optouts,
        optout_limit=settings.privacy.optout_stale_after,
        queue=open_queue(settings),
        receipts=open_receipts(settings),
        holds=open_holds(settings),
        epochs=epochs_of(settings),
        retention_days=settings.privacy.retention_days,
        now=call.now(),
        keys_elsewhere=settings.state.keys is not None,
        topics=[source.topic for _, source in topics_of(settings)],
        transports=list(_transports(call)),
        storage_options=list(settings.lake.storage),
        deploy=deploy,
        site=dashboard,
        all_figures=all_figures,
        rebuilt=partial(rebuilt, call),
        canaries=[] if canaries is None else read_canaries(canaries),
        progress=call.out.detail,
    )


def rebuilt(call: Invocation, page: bytes) -> Mapping[str, str] | None:
    """The dashboard's files as the publications make them, as of the time that a page names."""
    from pipeline.cli.commands.dashboard import read_published
    from pipeline.dashboard.page import data_of
    from pipeline.dashboard.site import build_as

    data = data_of(page)
    return None if data is None else build_as(read_published(call), data)


def read_canaries(path: Path) -> list[str]:
    """The identifiers in a file, one per line. UsageError for one that would be found by chance."""
    found = [line for line in path.read_text("utf-8").splitlines() if line]
    if any(len(line) < SHORTEST for line in found):
        raise UsageError(
            f"an identifier to look for has fewer than {SHORTEST} characters",
            where="--canaries",
            remedy="Shorter ones are found by chance: leave them out.",
        )
    return found


def _transports(call: Invocation) -> Iterator[Transport]:
    from pipeline.ops.audit.audit import Transport

    for name, source in topics_of(call.settings):
        loopback = all(server.startswith(_LOOPBACK) for server in source.servers)
        yield Transport(name, call.settings.kafka.protocol, loopback)


def as_document(report: Report) -> dict[str, object]:
    """The report as JSON values."""
    from pipeline.ops.audit.audit import Verdict

    return {
        "ok": not report.broken,
        "lake": report.lake,
        "at": report.at,
        "broken": list(report.broken),
        "not_verified": list(report.of(Verdict.NOT_VERIFIED)),
        "last_receipt": report.last_receipt,
        "promises": [
            {
                "id": proof.promise.id,
                "text": proof.promise.text,
                "verdict": proof.verdict,
                "checks": [
                    {
                        "check": result.check.name,
                        "looks_at": result.check.subject,
                        "verdict": result.observation.verdict,
                        "detail": result.observation.detail,
                        "findings": result.observation.findings,
                        "evidence": list(result.observation.evidence),
                    }
                    for result in proof.results
                ],
            }
            for proof in report.proofs
        ],
    }


def show_report(call: Invocation, report: Report, html: Path | None) -> None:
    """Print a report for a person: a line for each promise, then what is broken and where."""
    from pipeline.ops.audit.audit import Verdict

    out = call.out
    out.table(
        ["promise", "", "state", "checks"],
        [
            [
                proof.promise.id,
                proof.promise.text,
                proof.verdict.value.replace("_", " "),
                ", ".join(result.check.name for result in proof.results),
            ]
            for proof in report.proofs
        ],
    )
    seen = {result.check.name: result for proof in report.proofs for result in proof.results}
    for name, result in seen.items():
        if result.observation.verdict is Verdict.BROKEN:
            out.line(f"{name}: {result.observation.detail}")
            for one in result.observation.evidence:
                out.line(f"  {one}")
            if more := result.observation.findings - len(result.observation.evidence):
                out.line(f"  and {more:,} more")
        elif result.observation.verdict is Verdict.NOT_VERIFIED:
            out.line(f"{name}: not verified: {result.observation.detail}")
        elif result.observation.verdict is Verdict.NOT_APPLICABLE:
            out.detail(f"{name}: {result.observation.detail}")
    if report.broken:
        out.line(f"Broken: {', '.join(report.broken)}.")
    else:
        out.line("No promise is broken.")
    if unseen := report.of(Verdict.NOT_VERIFIED):
        out.line(f"Not verified: {', '.join(unseen)}.")
    out.line(f"Last receipt: {report.last_receipt or 'none'}")
    if html is not None:
        out.say(f"Report: {html}")
