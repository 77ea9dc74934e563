"""`telemetry requests`: rights requests from a topic, the queue of work to do, its worker."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import click

from pipeline.cli.frame.groups import Subcommands
from pipeline.cli.frame.logs import set_up_logging
from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.lists import open_holds, open_queue, open_request_service
from pipeline.cli.wiring.rights import open_desk, worked_document
from pipeline.errors import UsageError, counted
from pipeline.flow.runners.signals import Stop, stop_on_signals
from pipeline.settings.values import parse_duration

if TYPE_CHECKING:
    from pipeline.io.rights.request_topic import Served
    from pipeline.ops.rights.worker import Worked

STOP_CHECK_SECONDS = 0.5


@click.group(cls=Subcommands)
def command() -> None:
    """Serve the topic of rights requests, carry them out, and list their state."""


def read_pause(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> float | None:
    """A pause between two runs, in seconds: `15m`, between a second and a day."""
    del parameter
    if value is None:
        return None
    pause = parse_duration(value)
    if pause is None or not timedelta(seconds=1) <= pause <= timedelta(days=1):
        raise UsageError(
            "a pause is invalid",
            where=context.command_path,
            remedy="Write it as 15m; from 1s to 24h",
        )
    return pause.total_seconds()


@command.command()
@click.option("--once", is_flag=True, help="Serve what is there as of now, and exit.")
@click.option("--accept-loss", is_flag=True, help="Go on although requests were lost.")
@configured
def serve(call: Invocation, once: bool, accept_loss: bool) -> None:
    """Read requests with account ids, put tokens on the opt-out topic, queue the rest.

    Also sends the heartbeats without which pipelines stop reading after 15 minutes: let it run
    all the time, once. A second one takes over from the first. Stops at SIGTERM or SIGINT; what
    was read is either done or read again.
    """
    from pipeline.io.rights.request_topic import Served

    set_up_logging(call.out.verbose, call.out.log_form)
    total = Served()
    with (
        stop_on_signals() as stop,
        closing(open_request_service(call, accept_loss=accept_loss)) as service,
    ):
        while stop.signal is None:
            served = service.serve(call.now(), wait=0.5)
            total += served
            for partition, offset, reason in served.where:
                call.out.warn(f"partition {partition}, offset {offset}: rejected, {reason}")
            if once and service.at_end():
                break
    document = {key: value for key, value in asdict(total).items() if key != "where"}
    call.out.result(document, lambda: _show(call, total))


@command.command()
@click.option(
    "--loop",
    "interval",
    callback=read_pause,
    metavar="TIME",
    help="Repeat until stopped, after this pause.",
)
@configured
def work(call: Invocation, interval: float | None) -> None:
    """Carry out what waits: erasures, purges, restrictions, releases, exports; then second passes.

    Under-13 first, all removals in one pass over the lake. Safe beside a running pipeline, and
    safe to interrupt: the next run goes on. Exports are put into the state folder, below exports/,
    and removed after 30 days. With --loop 15m it repeats until SIGTERM or SIGINT.
    """
    if interval is None:
        _work_once(call)
        return
    with stop_on_signals() as stop:
        while stop.signal is None:
            _work_once(call)
            _pause(stop, interval)


def _pause(stop: Stop, seconds: float) -> None:
    until = time.monotonic() + seconds
    while stop.signal is None and time.monotonic() < until:
        time.sleep(STOP_CHECK_SECONDS)


def _work_once(call: Invocation) -> None:
    with open_desk(call) as desk:
        done = desk.rights.work(call.now())
    call.out.result(worked_document(done), partial(_show_worked, call, done))


@command.command(name="list")
@click.option("--all", "every", is_flag=True, help="Also those that are done.")
@configured
def list_requests(call: Invocation, every: bool) -> int:
    """Show the ledger: every request, how far it is, and its clock against target and limit.

    A request of an account under a legal hold is `held`; its clock goes on. Exit code 1 if a
    request that is not held is beyond its hard limit.
    """
    from pipeline.ops.rights.deadlines import Lateness, RequestStage, entry_of

    queue, now = open_queue(call.settings), call.now()
    held = open_holds(call.settings).accounts(now.date())
    entries = [entry_of(one, now, held) for one in queue.pending()]
    finished = [entry_of(one, now) for one in queue.all() if one.done_at is not None]
    shown = [*entries, *(finished if every else [])]
    rows = [
        {
            "request": one.number,
            "kind": one.kind,
            "at": one.received,
            "stage": one.stage,
            "clock": one.clock,
            "target": one.target,
            "hard": one.hard,
            "second_pass": one.second_pass,
            "carried_out": one.carried_out,
        }
        for one in shown
    ]
    stages = Counter(one.stage for one in entries)

    def text() -> None:
        call.out.table(
            ["request", "kind", "since", "stage", "clock", "target", "hard limit"],
            [
                [
                    one.number,
                    one.kind.value,
                    _minute(one.received),
                    one.stage.value,
                    one.clock.value,
                    _minute(one.target),
                    _minute(one.hard),
                ]
                for one in shown
            ],
        )
        call.out.line(
            f"{stages[RequestStage.WAITING]} waiting, {stages[RequestStage.HELD]} held, "
            f"{stages[RequestStage.SWEPT]} with a second pass to come, {len(finished)} done."
        )

    call.out.result({"waiting": rows, "done": len(finished)}, text)
    broken = [
        one for one in entries if one.stage is RequestStage.WAITING and one.clock is Lateness.BROKEN
    ]
    return 1 if broken else 0


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%MZ}"


def _show_worked(call: Invocation, done: Worked) -> None:
    carried_out = sum(done.swept.values()) + done.finished["export"]
    call.out.line(
        f"{counted(carried_out, 'request')} carried out, {sum(done.finished.values())} finished: "
        f"{counted(done.rows_removed, 'row')} removed, {done.rows_moved:,} moved, "
        f"{done.rows_exported:,} exported."
    )
    if done.held:
        call.out.line(
            f"Until a legal hold ends: {counted(sum(done.held.values()), 'request')} waiting."
        )
    for path in done.exports:
        call.out.line(f"Export: {path}")


def _show(call: Invocation, total: Served) -> None:
    rejected = sum(total.rejected.values())
    call.out.line(
        f"{counted(total.read, 'request')}: {counted(total.changed, 'standing')} changed, "
        f"{total.queued} queued, "
        f"{rejected} rejected."
    )
