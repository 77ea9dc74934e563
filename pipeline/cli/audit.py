"""`telemetry audit`: prove the promises on what is stored, and hand the proof over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline import __version__
from pipeline.cli.kafka_lists import open_optout_topic, optout_list
from pipeline.cli.opening import has_keys, open_catalogue, open_keystore, open_lake, open_schemas
from pipeline.cli.options import Invocation, configured
from pipeline.errors import EnvironmentProblem, UsageError

if TYPE_CHECKING:
    from pipeline.ops.audit import Audited, Report, Transport
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
    help="Look for these identifiers, one a line, and for their hashes; never printed.",
)
@configured
def command(call: Invocation, html: Path | None, deploy: Path | None, canaries: Path | None) -> int:
    """Check every promise on stored bytes, logs, settings, receipts and deployment files.

    Exit code 1 if a promise is broken; its name, the check and the places are printed, never a
    stored value. A check that has nothing to look at says so. Reads the whole lake, changes
    nothing.
    """
    from pipeline.io.outfile import write_file
    from pipeline.ops.audit import audit
    from pipeline.ops.audit_page import page
    from pipeline.ops.checks import CHECKS, packaged_promises

    audited = open_audited(call, deploy, canaries)
    report = audit(audited, packaged_promises(), CHECKS)
    if html is not None:
        write_file(html, [page(report, __version__).encode()])
    call.out.result(as_document(report), lambda: show_report(call, report, html))
    return 1 if report.broken else 0


def open_audited(call: Invocation, deploy: Path | None, canaries: Path | None) -> Audited:
    """Everything that an audit looks at; nothing is made by opening it."""
    from pipeline.cli.rollup import open_registry
    from pipeline.io.holds import Holds
    from pipeline.io.receipts import Receipts
    from pipeline.io.requests import RequestQueue
    from pipeline.ops.audit import Audited
    from pipeline.ops.scan import Ceilings
    from pipeline.privacy.epochs import EpochKind

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
        topic = open_optout_topic(settings, call.now)
        try:
            return topic.load().standings, topic.age(call.now())
        finally:
            topic.close()

    sources = settings.sources
    return Audited(
        lake=open_lake(settings),
        state=state,
        schemas=open_schemas(settings),
        catalogue=open_catalogue(settings),
        registry=open_registry(call),
        ceilings=Ceilings(settings.privacy.ipv4_bits, settings.privacy.ipv6_bits),
        keys=lambda: open_keystore(settings, call.now),
        optouts=optouts,
        optout_limit=settings.privacy.optout_stale_after,
        queue=RequestQueue(state / "requests.ndjson"),
        receipts=Receipts(state / "receipts.ndjson"),
        holds=Holds(state / "holds.ndjson"),
        epochs=EpochKind(settings.privacy.epoch),
        retention_days=settings.privacy.retention_days,
        now=call.now(),
        keys_elsewhere=settings.state.keys is not None,
        topics=[source.topic for source in sources.values() if source.topic is not None],
        transports=list(_transports(call)),
        storage_options=list(settings.lake.storage),
        deploy=deploy,
        canaries=[] if canaries is None else read_canaries(canaries),
        progress=call.out.detail,
    )


def read_canaries(path: Path) -> list[str]:
    """The identifiers of a file, one a line. UsageError for one that would be found by chance."""
    found = [line for line in path.read_text("utf-8").splitlines() if line]
    if any(len(line) < SHORTEST for line in found):
        raise UsageError(
            f"an identifier to look for has fewer than {SHORTEST} characters",
            where="--canaries",
            remedy="Shorter ones are found by chance: leave them out.",
        )
    return found


def _transports(call: Invocation) -> Iterator[Transport]:
    from pipeline.ops.audit import Transport

    for name, source in sorted(call.settings.sources.items()):
        if source.servers:
            loopback = all(server.startswith(_LOOPBACK) for server in source.servers)
            yield Transport(name, call.settings.kafka.protocol, loopback)


def as_document(report: Report) -> dict[str, object]:
    """The report as JSON values."""
    return {
        "ok": not report.broken,
        "lake": report.lake,
        "at": report.at,
        "broken": list(report.broken),
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
    from pipeline.ops.audit import Verdict

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
        elif result.observation.verdict is Verdict.NOT_APPLICABLE:
            out.detail(f"{name}: {result.observation.detail}")
    if report.broken:
        out.line(f"Broken: {', '.join(report.broken)}.")
    else:
        out.line("No promise is broken.")
    out.line(f"Last receipt: {report.last_receipt or 'none'}")
    if html is not None:
        out.say(f"Report: {html}")
