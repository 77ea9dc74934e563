"""`telemetry requests`: rights requests by topic, and the queue of what has to be done."""

from __future__ import annotations

import signal
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pipeline.cli.groups import Subcommands
from pipeline.cli.kafka_lists import list_access, open_optout_writer
from pipeline.cli.logs import set_up_logging
from pipeline.cli.opening import open_keystore, open_state
from pipeline.cli.options import Invocation, configured

if TYPE_CHECKING:
    from pipeline.io.kafka_requests import RequestService, Served
    from pipeline.io.requests import RequestQueue


@click.group(cls=Subcommands)
def command() -> None:
    """Serve the topic of rights requests, and list what waits to be carried out."""


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
    from pipeline.io.kafka_requests import Served

    set_up_logging(call.out.verbose)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    total = Served()
    service = _open_service(call, accept_loss)
    try:
        while not stopping.is_set():
            served = service.serve(call.now(), wait=0.5)
            total += served
            for partition, offset, reason in served.where:
                call.out.warn(f"partition {partition}, offset {offset}: rejected, {reason}")
            if once and service.at_end():
                break
    finally:
        service.close()
    document = {key: value for key, value in asdict(total).items() if key != "where"}
    call.out.result(document, lambda: _show(call, total))


@command.command(name="list")
@configured
def list_requests(call: Invocation) -> None:
    """Show the queue: what waits, under-13 first, and what was done."""
    queue = _queue(call)
    waiting = queue.pending()
    done = sum(request.done_at is not None for request in queue.all())
    from pipeline.io.standings import to_text

    rows = [
        {"request": one.number, "kind": one.kind.value, "at": to_text(one.at)} for one in waiting
    ]

    def text() -> None:
        call.out.table(["request", "kind", "since"], [list(row.values()) for row in rows])
        call.out.line(f"{len(rows)} waiting, {done} done.")

    call.out.result({"waiting": rows, "done": done}, text)


def _queue(call: Invocation) -> RequestQueue:
    from pipeline.io.requests import RequestQueue

    return RequestQueue(call.settings.need_state() / "requests.ndjson")


def _open_service(call: Invocation, accept_loss: bool) -> RequestService:
    from pipeline.io.kafka_requests import RequestService
    from pipeline.privacy.epochs import EpochKind

    settings = call.settings
    open_state(settings)
    return RequestService(
        list_access(settings),
        settings.kafka.requests_topic,
        optouts=open_optout_writer(call),
        queue=_queue(call),
        keys=open_keystore(settings, call.now),
        epochs=EpochKind(settings.privacy.epoch),
        accept_loss=accept_loss,
    )


def _show(call: Invocation, total: Served) -> None:
    rejected = sum(total.rejected.values())
    call.out.line(
        f"{total.read} requests: {total.changed} standings changed, {total.queued} queued, "
        f"{rejected} rejected."
    )
