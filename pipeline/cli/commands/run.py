"""`telemetry run`: events in, anonymized and partitioned Parquet out, each event exactly once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from pipeline import native
from pipeline.cli.frame.logs import set_up_logging
from pipeline.cli.frame.nearest import Closed
from pipeline.cli.frame.options import Invocation, configured, number_option
from pipeline.cli.wiring.opening import kinds_of, newest_schema, open_schemas
from pipeline.errors import TelemetryError, UsageError, counted
from pipeline.flow.runners.beam_options import runner_named
from pipeline.flow.runners.run_options import EMBEDDED
from pipeline.io.files.source import STANDARD_INPUT
from pipeline.io.source_kinds import KINDS
from pipeline.settings.values import parse_duration

if TYPE_CHECKING:
    from pipeline.flow.summary import Summary

_BEAM = "beam words"
_FLAGS = [flag for kind in KINDS for flag in kind.FLAGS]
_OF_SOURCE = "source_"
"""Prefix of the names of the parameters that these flags give."""


def source_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options by which kinds of source are described."""
    for flag in reversed(_FLAGS):
        command = click.option(
            flag.name,
            _OF_SOURCE + flag.setting,
            multiple=flag.several,
            metavar=flag.metavar,
            help=flag.says,
        )(command)
    return command


class RunCommand(click.Command):
    """A command whose options after `--` belong to Beam, and that takes several paths at once."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep Beam's options apart: click would mix them with the input paths."""
        if "--" in args:
            cut = args.index("--")
            ctx.meta[_BEAM] = tuple(args[cut + 1 :])
            args = args[:cut]
        return super().parse_args(ctx, args)


@click.command(cls=RunCommand, options_metavar="[OPTIONS] [-- BEAM OPTIONS]")
@source_flags
@click.argument("more_inputs", nargs=-1, metavar="")
@click.option("--event", help="Event that the input carries.")
@click.option(
    "--format",
    "format_",
    metavar="NAME|FILE",
    help="Format of the lines: a packaged one, or a format file.",
)
@click.option(
    "--envelope",
    type=Closed(["none", "cri", "docker"]),
    help="What a container runtime has put around each line.",
)
@click.option("--once", is_flag=True, help="Read to the end as of now, commit and exit.")
@number_option("--workers", 1, 256, 1, "Processes that share the input.")
@click.option(
    "--backfill",
    is_flag=True,
    help="Also accept older events, up to a day less than the retention.",
)
@click.option(
    "--clock-is-right",
    is_flag=True,
    help="Reject messages that are ahead of this machine's clock, even if most are.",
)
@click.option(
    "--input-is-right",
    is_flag=True,
    help="Skip what cannot be stored, even if it is everything in a new source.",
)
@click.option(
    "--flush-interval", metavar="SPAN", help="Commit at least this often.  [default: 15s]"
)
@number_option(
    "--metrics-port", 1, 65_535, None, "Serve Prometheus metrics from this port on; usually 9108."
)
@click.option(
    "--runner",
    default="FnApiRunner",
    show_default=True,
    metavar="NAME",
    help="Beam runner: FnApiRunner, FlinkRunner, DataflowRunner or PrismRunner.",
)
@configured
@click.pass_context
def command(context: click.Context, /, call: Invocation, **options: Any) -> int:
    """Read events, anonymize them in the first stage, and write the lake, each exactly once.

    Inputs come from --input, from --kafka and --topic, or from the [sources.NAME] sections of the
    settings. Without --once the input is followed until SIGTERM or SIGINT, which commit what was
    read and end the run. The position is stored in the lake: run again and nothing is lost or
    duplicated.

    \b
        telemetry run --input logs/ --event api_request --lake lake --state state --once
    """
    given = {flag.setting: options.pop(_OF_SOURCE + flag.setting) for flag in _FLAGS}
    summary = _run(call, context.meta.get(_BEAM, ()), given, **options)
    check_account(summary.as_dict())
    call.out.result(_document(summary), partial(show_summary, call, summary))
    if summary.all_rejected:
        call.out.warn(all_rejected(summary))
    return summary.exit_code


def _run(
    call: Invocation,
    beam_words: tuple[str, ...],
    given: Mapping[str, Any],
    *,
    more_inputs: tuple[str, ...],
    event: str | None,
    format_: str | None,
    envelope: str | None,
    once: bool,
    workers: int,
    backfill: bool,
    clock_is_right: bool,
    input_is_right: bool,
    flush_interval: str | None,
    metrics_port: int | None,
    runner: str,
) -> Summary:
    inputs = given["files"]
    if more_inputs and not inputs:
        raise UsageError(
            "paths are given by --input", remedy="Write telemetry run --input PATH --event EVENT"
        )
    if flush_interval is not None and parse_duration(flush_interval) is None:
        raise UsageError("--flush-interval is invalid", remedy="Write it as 500ms, 15s or 2m")
    runner = runner_named(runner)
    if runner != EMBEDDED or beam_words:
        from pipeline.flow.runners.run import checked_words

        checked_words(runner, workers, beam_words, to_end=once)
    call = call.with_settings({"flush.interval": flush_interval, "metrics.port": metrics_port})
    if event is not None:
        newest_schema(open_schemas(call.settings), event)
    call.settings.need_lake()
    call.settings.need_state()
    if native.kernel() is None and not native.is_switched_off():
        call.out.warn(
            "the native kernel is not built, so decoding is about ten times slower; "
            "telemetry doctor says how to get it"
        )
    # Beam takes over a second to import: only once the arguments are known to make sense.
    from pipeline.cli.wiring.fitting import open_fitting_lake
    from pipeline.cli.wiring.ports import given_source, make_ports, open_formats
    from pipeline.cli.wiring.reach import check_reach
    from pipeline.flow.runners.run import run
    from pipeline.flow.runners.run_options import RunOptions

    settings = call.settings
    inputs = (*inputs, *more_inputs)
    if STANDARD_INPUT in inputs:
        once = _check_piped(call, inputs, runner, workers)
    sources = given_source({**given, "files": inputs}, event, format_, envelope)
    if sources is not None:
        settings = replace(settings, sources=sources)
    check_reach(settings, runner, beam_words)
    if runner == EMBEDDED:
        # Before anything is opened: a mistyped path makes no state folder and no keys.
        for _, source in kinds_of(settings):
            source.look()
    formats = open_formats(settings)
    for name, one in formats.items():
        for warning in one.warnings:
            call.out.warn(f"source {name}: {warning}")
    if settings.state.keys is None:
        # Before anything is made; the workers compare again, even where only they have the keys.
        open_fitting_lake(settings, call.now).close()
    ports = make_ports(
        settings,
        formats,
        fixed_now=call.fixed_now,
        backfill=backfill,
        once=once,
        clock_is_right=clock_is_right,
        input_is_right=input_is_right,
    )
    with call.out.progress("events") as advance:
        options = RunOptions(
            workers=workers,
            runner=runner,
            beam_options=beam_words,
            prepare=partial(set_up_logging, call.out.verbose, call.out.log_form),
            on_commit=lambda tally: advance(tally.read),
            on_stop=partial(_acknowledge, call.out.quiet),
        )
        return run(ports, options)


def _check_piped(call: Invocation, inputs: tuple[str, ...], runner: str, workers: int) -> bool:
    """Refuse what standard input cannot do, and say what it cannot; it is read to its end."""
    if len(inputs) > 1 or workers > 1 or runner != EMBEDDED:
        raise UsageError(
            "standard input is read by this process alone",
            remedy="Leave out the other inputs, --workers and --runner, or name files",
        )
    call.out.say(
        "standard input cannot be read again: after a failure pipe only what was not committed, or "
        "name a file instead"
    )
    return True


def _acknowledge(quiet: bool) -> None:
    """Say at once that the run stops; a signal handler writes past buffers that may be in use."""
    if not quiet:
        with suppress(OSError, ValueError):
            os.write(sys.stderr.fileno(), b"stopping: committing what was read\n")


def all_rejected(summary: Summary) -> str:
    """Say that a run stored nothing, and what to do about the commonest reason."""
    rejected = summary.tally.rejected
    advice = "telemetry schema explain EVENT FILE shows a line field by field"
    if max(rejected, key=lambda reason: rejected[reason]) == "too_old":
        advice = "events older than privacy.max_age_days are read with --backfill"
    return f"every message was rejected, nothing was stored; {advice}"


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
    # Values, not events: they are in rows that were written.
    for name, counts in (
        ("rejected", tally.rejected),
        ("dropped", tally.dropped),
        ("made null", tally.nulled),
    ):
        if counts:
            call.out.paragraph(f"{name}: {_reasons(counts)}")
    call.out.line(
        f"{counted(tally.files, 'file')} in {summary.seconds:.1f} s, "
        f"{summary.events_per_second:,.0f} events/s"
    )
    if summary.conflicts:
        call.out.say(
            f"{counted(summary.conflicts, 'slice')} read again: another writer committed first"
        )
    if summary.restarts:
        call.out.warn(f"{counted(summary.restarts, 'worker')} died and started again")
    if summary.unread_bytes:
        call.out.warn(
            f"{counted(summary.unread_bytes, 'byte')} at the end of files not read: "
            "the last line is not complete yet"
        )


def _reasons(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count:,}" for name, count in ordered)
