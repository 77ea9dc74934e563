"""How fast believable events are made: demos, drills and the other benchmarks wait for it."""

import time
from datetime import UTC, datetime, timedelta

from benchmarks.harness import Report
from pipeline.cli.commands.generate import load_profile
from pipeline.demo.traffic import EVENTS, generate, sessions_of
from pipeline.demo.world import World


def run(events: int, times: int) -> Report:
    """Make so many events of each kind in this process, best of several passes."""
    now = datetime.now(UTC)
    world = World(
        load_profile(),
        seed=1,
        begin=now - timedelta(days=1),
        end=now,
        sessions=sessions_of("api_request", events),
    )
    rates = {event: max(_rate(world, event, events) for _ in range(times)) for event in EVENTS}
    lines = [f"| {event} | {rate:,.0f} |" for event, rate in rates.items()]
    text = "| event | made per CPU-second |\n| --- | ---: |\n" + "\n".join(lines)
    return Report("Generator", text, {event: round(rate) for event, rate in rates.items()})


def _rate(world: World, event: str, events: int) -> float:
    started = time.process_time()
    for _ in generate(world, event, events):
        pass
    return events / (time.process_time() - started)
