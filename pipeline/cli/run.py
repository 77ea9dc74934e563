"""`telemetry run`: events in, anonymized and partitioned Parquet out, each event exactly once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.logs import set_up_logging
from pipeline.cli.opening import newest_schema
from pipeline.cli.options import Invocation, configured
from pipeline.errors import TelemetryError, UsageError
from pipeline.settings.values import parse_duration

if TYPE_CHECKING:
    from pipeline.flow.report import Summary

_BEAM = "beam words"


class RunCommand(click.Command):
    """A command whose words after `--` belong to Beam, and that takes several paths at once."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep Beam's words apart: click would mix them with the input paths."""
        if "--" in args:
            cut = args.index("--")
            ctx.meta[_BEAM] = tuple(args[cut + 1 :])
            args = args[:cut]
        return super().parse_args(ctx, args)


@click.command(cls=RunCommand, options_metavar="[OPTIONS] [-- BEAM OPTIONS]")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="PATH...",
    help="Files, folders or patterns of NDJSON.",
)
@click.argument("more_inputs", nargs=-1, metavar="")
@click.option("--kafka", "servers", metavar="SERVERS", help="Kafka bootstrap servers.")
@click.option("--topic", help="Kafka topic.")
@click.option("--event", help="Event that the input carries.")
@click.option("--once", is_flag=True, help="Read to the end as of now, commit and exit.")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    metavar="N",
    default=1,
    show_default=True,
    help="Processes that share the input.",
)
@click.option("--backfill", is_flag=True, help="Take events up to the retention minus a day old.")
@click.option(
    "--flush-interval", metavar="SPAN", help="Commit at least this often.  [default: 15s]"
)
@click.option(
    "--metrics-port",
    type=click.IntRange(1, 65_535),
    metavar="N",
    help="Serve Prometheus metrics from here on.",
)
@click.option("--runner", default="FnApiRunner", show_default=True, help="Beam runner.")
@configured
@click.pass_context
def command(context: click.Context, /, call: Invocation, **options: Any) -> int:
    """Read events, anonymize them in the first stage, and write the lake, each exactly once.

    Inputs come from --input, from --kafka and --topic, or from the [sources.NAME] sections of the
    settings. Without --once the input is followed until SIGTERM or SIGINT, which flush and commit
    what is there. The position lies in the lake: run again and nothing is lost or doubled.

    \b
        telemetry run --input logs/ --event api_request --lake lake --state state --once
    """
    summary = _run(call, context.meta.get(_BEAM, ()), **options)
    check_account(summary.as_dict())
    call.out.result(_document(summary), partial(show_summary, call, summary))
    return summary.exit_code


def _run(
    call: Invocation,
    beam_words: tuple[str, ...],
    *,
    inputs: tuple[str, ...],
    more_inputs: tuple[str, ...],
    servers: str | None,
    topic: str | None,
    event: str | None,
    once: bool,
    workers: int,
    backfill: bool,
    flush_interval: str | None,
    metrics_port: int | None,
    runner: str,
) -> Summary:
    if more_inputs and not inputs:
        raise UsageError(
            "paths are given by --input", remedy="Write telemetry run --input PATH --event EVENT"
        )
    if flush_interval is not None and parse_duration(flush_interval) is None:
        raise UsageError("--flush-interval does not fit", remedy="Write it as 500ms, 15s or 2m")
    call = call.with_settings({"flush.interval": flush_interval, "metrics.port": metrics_port})
    if event is not None:
        newest_schema(call.settings, event)
    call.settings.need_lake()
    call.settings.need_state()
    set_up_logging(call.out.verbose)
    # Beam takes over a second to import: only when the words are known to make sense.
    from pipeline.cli.ports import given_source, make_ports
    from pipeline.cli.reach import check_reach
    from pipeline.flow.options import RunOptions
    from pipeline.flow.runners import run

    settings = call.settings
    given = given_source((*inputs, *more_inputs), servers, topic, event)
    if given is not None:
        settings = replace(settings, sources=given)
    check_reach(settings, runner, beam_words)
    ports = make_ports(settings, fixed_now=call.fixed_now, backfill=backfill, once=once)
    with call.out.progress("events") as advance:
        options = RunOptions(
            workers=workers,
            runner=runner,
            beam_options=beam_words,
            prepare=partial(set_up_logging, call.out.verbose),
            on_commit=lambda tally: advance(tally.read),
        )
        return run(ports, options)


def check_account(document: Mapping[str, Any]) -> None:
    """Every message read is written, rejected or dropped; anything else is a defect of ours."""
    refused = sum(document["rejected"].values()) + sum(document["dropped"].values())
    if document["read"] != document["written"] + refused:
        raise TelemetryError(
            "the account of this run does not add up",
            why="read is not written + rejected + dropped",
            remedy="What is committed is sound. Report this with the output of telemetry status",
        )


def _document(summary: Summary) -> dict[str, object]:
    return {
        **summary.as_dict(),
        "conflicts": summary.conflicts,
        "restarts": summary.restarts,
        "unread_bytes": summary.unread_bytes,
    }


def show_summary(call: Invocation, summary: Summary) -> None:
    """Print the account of a run for a person."""
    tally = summary.tally
    rejected, dropped = sum(tally.rejected.values()), sum(tally.dropped.values())
    call.out.table(
        ["events", "count"],
        [
            ["read", tally.read],
            ["written", tally.written],
            ["rejected", rejected],
            ["dropped", dropped],
        ],
    )
    for name, counts in (("rejected", tally.rejected), ("dropped", tally.dropped)):
        if counts:
            call.out.paragraph(f"{name}: {_reasons(counts)}")
    call.out.line(
        f"{tally.files:,} files in {summary.seconds:.1f} s, "
        f"{summary.events_per_second:,.0f} events/s"
    )
    if summary.conflicts:
        call.out.say(f"{summary.conflicts:,} slices were read again: another writer was faster")
    if summary.restarts:
        call.out.warn(f"{summary.restarts:,} workers died and were started again")
    if summary.unread_bytes:
        call.out.warn(
            f"{summary.unread_bytes:,} bytes at the end of files are no complete line yet"
        )


def _reasons(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count:,}" for name, count in ordered)
