"""`telemetry generate`: realistic events of one kind, as NDJSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.frame.nearest import Closed
from pipeline.cli.frame.options import Invocation, configured, number_option, seed_option
from pipeline.errors import UsageError, counted

if TYPE_CHECKING:
    from pipeline.demo.profile import Profile

EVENTS = ("api_request", "session", "feature_use", "error_log")


@click.command()
@click.option("--event", type=Closed(EVENTS), required=True, help="Which event to generate.")
@number_option("--events", 1, None, 10_000, "How many.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; without one, or with -, standard output.",
)
@click.option("--kafka", "servers", metavar="SERVERS", help="Send to these brokers instead.")
@click.option("--topic", help="Topic to send to.")
@seed_option("Equal seeds and --now give equal bytes.")
@number_option("--days", 1, 366, 1, "Spread the events over this many days before now.")
@click.option(
    "--awkward",
    type=click.FloatRange(0, 0.5),
    metavar="N",
    default=0.01,
    show_default=True,
    help="Share of malformed, hostile, early, repeated and signed lines.",
)
@configured
def command(
    call: Invocation,
    event: str,
    events: int,
    out: Path | None,
    servers: str | None,
    topic: str | None,
    seed: int,
    days: int,
    awkward: float,
) -> None:
    """Generate realistic events with every awkward case, as one JSON object a line.

    Addresses come from the two ranges reserved for benchmarks and documentation only. Some lines
    hold canaries: invented e-mail addresses, keys and account ids that no output may contain.
    """
    if (servers is None) != (topic is None) or (servers is not None and out is not None):
        raise UsageError(
            "events go to a file or to a topic",
            remedy="Give --out FILE, or --kafka SERVERS with --topic TOPIC",
        )
    blocks = _blocks(call.now(), event, events, seed, days, awkward)
    if servers is not None and topic is not None:
        _send(call, servers.split(","), topic, event, events, blocks)
        return
    if out is None or str(out) == "-":
        for block in blocks:
            sys.stdout.buffer.write(block)
        return
    started = time.perf_counter()
    with call.out.progress("generated", events) as advance:
        written = _write(out, _counted(blocks, advance))
    seconds = time.perf_counter() - started
    document = {"event": event, "events": events, "bytes": written, "file": str(out)}
    document |= {"seconds": round(seconds, 3), "events_per_second": round(events / seconds)}
    call.out.result(
        document,
        lambda: call.out.say(
            f"{counted(events, 'line')} of {event}, {written / 2**20:,.1f} MiB "
            f"in {seconds:.1f} s: {out}"
        ),
    )


def _send(
    call: Invocation,
    servers: Sequence[str],
    topic: str,
    event: str,
    events: int,
    blocks: Iterable[bytes],
) -> None:
    from pipeline.cli.wiring.topics import kafka_access
    from pipeline.io.kafka.produce import produce_lines

    started = time.perf_counter()
    with call.out.progress("generated", events) as advance:
        access = kafka_access(servers, call.settings)
        sent = produce_lines(access, topic, _counted(blocks, advance))
    seconds = time.perf_counter() - started
    document = {"event": event, "events": events, "bytes": sent, "topic": topic}
    document |= {"seconds": round(seconds, 3), "events_per_second": round(events / seconds)}
    call.out.result(
        document,
        lambda: call.out.say(
            f"{counted(events, 'message')} of {event} in {seconds:.1f} s: {topic}"
        ),
    )


def _blocks(
    end: datetime, event: str, events: int, seed: int, days: int, awkward: float
) -> Iterator[bytes]:
    from pipeline.demo.traffic import generate, sessions_of
    from pipeline.demo.world import World

    world = World(
        load_profile(),
        seed=seed,
        begin=end - timedelta(days=days),
        end=end,
        sessions=sessions_of(event, events),
    )
    return generate(world, event, events, awkward=awkward)


def load_profile() -> Profile:
    """The packaged mix of the demo's traffic."""
    from pipeline.demo.profile import parse_profile
    from pipeline.io.package_data import packaged_text

    return parse_profile(
        packaged_text("demo", "traffic.toml"), packaged_text("demo", "user_agents.toml")
    )


def _write(out: Path, blocks: Iterable[bytes]) -> int:
    from pipeline.io.disk.atomic import write_file

    return write_file(out, blocks)


def _counted(blocks: Iterable[bytes], advance: Callable[[int], None]) -> Iterator[bytes]:
    for block in blocks:
        yield block
        advance(block.count(b"\n"))
