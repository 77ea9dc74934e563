"""The demo's steps: each does what a user would do by one command, and tells what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.demo_figures import SITE, dashboard, rollup
from pipeline.cli.generate import load_profile
from pipeline.cli.opening import (
    make_policy,
    open_catalogue,
    open_keystore,
    open_lake,
    open_schemas,
    open_state,
)
from pipeline.cli.options import Invocation
from pipeline.cli.optout import open_optout
from pipeline.cli.run import check_account, show_summary
from pipeline.cli.sql import as_objects, open_database, run_query
from pipeline.cli.status import show_status, take_status
from pipeline.errors import PrivacyGateClosed

if TYPE_CHECKING:
    from pipeline.demo.world import World

SHARES = {"session": 0.08, "feature_use": 0.14, "error_log": 0.08}
"""Which part of the demo's events are of which kind; the rest are API requests."""


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo: its settings and clock, where it lies, and what it is to be made of."""

    call: Invocation
    folder: Path
    days: int
    events: int
    seed: int
    open_result: bool = False

    @property
    def inputs(self) -> Path:
        """Where the raw events lie."""
        return self.folder / "input"

    def counts(self) -> dict[str, int]:
        """How many events of which kind."""
        others = {event: round(self.events * share) for event, share in SHARES.items()}
        return {"api_request": self.events - sum(others.values()), **others}

    def world(self) -> World:
        """The accounts and sessions of the demo; the same each time."""
        from pipeline.demo.world import World

        end = self.call.now()
        return World(
            load_profile(),
            seed=self.seed,
            begin=end - timedelta(days=self.days),
            end=end,
            sessions=self.counts()["session"],
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What a step found, as JSON values and as a way to print it."""

    document: object
    show: Callable[[], None]


def generate(demo: Demo) -> Result:
    """Make the raw events of all four kinds, and let some accounts opt out."""
    from pipeline.demo import traffic
    from pipeline.io.outfile import write_file
    from pipeline.io.requests import RequestQueue, opt_out
    from pipeline.privacy.epochs import EpochKind

    out, settings, world = demo.call.out, demo.call.settings, demo.world()
    rows = []
    with out.progress("generated", demo.events) as advance:
        for event, count in demo.counts().items():
            began = time.perf_counter()
            blocks = _counted(traffic.generate(world, event, count), advance)
            size = write_file(demo.inputs / f"{event}.ndjson", blocks)
            rows.append((event, count, size / 2**20, count / (time.perf_counter() - began)))
    accounts = world.opted_out()
    opt_out(
        accounts,
        demo.call.now(),
        optouts=open_optout(demo.call),
        queue=RequestQueue(open_state(settings) / "requests.ndjson"),
        keys=open_keystore(settings, demo.call.now),
        epochs=EpochKind(settings.privacy.epoch),
    )

    def show() -> None:
        out.table(
            ["event", "lines", "MiB", "lines/s"],
            [[event, count, round(size, 1), round(rate)] for event, count, size, rate in rows],
        )
        out.line(
            f"{demo.days} days until {demo.call.now():%Y-%m-%d %H:%M} UTC, "
            f"{world.accounts:,} accounts, {len(accounts):,} of them opted out"
        )

    found = {event: {"events": count, "mib": round(size, 1)} for event, count, size, _ in rows}
    return Result({"events": found, "opted_out_accounts": len(accounts)}, show)


def _counted(blocks: Iterator[bytes], advance: Callable[[int], None]) -> Iterator[bytes]:
    for block in blocks:
        yield block
        advance(block.count(b"\n"))


def run(demo: Demo) -> Result:
    """Take everything through the pipeline, once."""
    from pipeline.cli.ports import make_ports
    from pipeline.flow.options import RunOptions
    from pipeline.flow.runners import run as run_pipeline

    call = demo.call
    ports = make_ports(call.settings, fixed_now=call.fixed_now, backfill=True, once=True)
    with call.out.progress("events", demo.events) as advance:
        options = RunOptions(on_commit=lambda tally: advance(tally.read))
        summary = run_pipeline(ports, options)
    check_account(summary.as_dict())
    return Result(summary.as_dict(), lambda: show_summary(call, summary))


def status(demo: Demo) -> Result:
    """Look at the lake and the state folder."""
    found = take_status(demo.call)
    return Result(found.document(), lambda: show_status(demo.call, found))


def questions(demo: Demo) -> Result:
    """Ask the lake some questions in SQL."""
    from pipeline.demo.questions import QUESTIONS

    out = demo.call.out
    with open_database(demo.call) as database:
        answers = [(question, *run_query(database, question.sql)) for question in QUESTIONS]

    def show() -> None:
        for question, columns, rows in answers:
            out.line()
            out.heading(question.title)
            for line in question.sql.splitlines():
                out.line(f"    {line}")
            out.table(columns, [list(row) for row in rows])

    document = [
        {
            "question": question.title,
            "sql": question.sql,
            "rows": as_objects(columns, rows),
        }
        for question, columns, rows in answers
    ]
    return Result(document, show)


def scan(demo: Demo) -> Result:
    """Search all that was written for what must not be there; PrivacyGateClosed if it is."""
    from pipeline.demo.awkward import CANARIES
    from pipeline.io.contents import read_contents
    from pipeline.ops.canaries import search
    from pipeline.ops.scan import Ceilings
    from pipeline.ops.scan_lake import scan_lake

    call, settings = demo.call, demo.call.settings
    policy = make_policy(settings)
    lake = open_lake(settings)
    scanned = scan_lake(
        lake,
        open_schemas(settings),
        open_catalogue(settings),
        Ceilings(policy.ipv4_bits, policy.ipv6_bits),
    )
    planted = sum(
        content.data.count(canary.encode())
        for content in read_contents(demo.inputs)
        for canary in CANARIES
    )
    places = (demo.folder / "lake", demo.folder / "state", demo.folder / SITE)
    contents = chain.from_iterable(read_contents(place, lake.encryption) for place in places)
    searched = search(contents, CANARIES)
    if scanned.findings or searched.leaks or not planted:
        raise PrivacyGateClosed(
            "the demo's scan found what may not be stored",
            where=", ".join(sorted({f"{f.table}.{f.column}" for f in scanned.findings}))
            or ", ".join(sorted({leak.place for leak in searched.leaks})),
            remedy="Do not use this build. Report the places named above",
        )
    document = {
        "rows": scanned.rows,
        "texts": scanned.texts,
        "findings": 0,
        "canaries_in_input": planted,
        "files": searched.files,
        "bytes": searched.bytes,
        "canaries_in_output": 0,
    }

    def show() -> None:
        call.out.paragraph(
            f"{scanned.rows:,} rows, {scanned.texts:,} distinct texts: each one a value of a "
            "closed list, a token, a network within its ceiling, a date or a version."
        )
        call.out.paragraph(
            f"{planted:,} canaries in the input; none in {searched.files:,} files "
            f"({searched.bytes / 2**20:,.0f} MiB unpacked) of lake, state and page, in any "
            "encoding."
        )

    return Result(document, show)


STEPS: tuple[tuple[str, Callable[[Demo], Result]], ...] = (
    ("Invent traffic: telemetry generate", generate),
    ("Run the pipeline: telemetry run", run),
    ("Look at the lake: telemetry status", status),
    ("Ask questions: telemetry sql", questions),
    ("Publish what the privacy gate lets through: telemetry rollup", rollup),
    ("Show it as one page: telemetry dashboard build", dashboard),
    ("Search everything that was written for identifiers", scan),
)
"""What the demo does, in this order; a step's function names its part of the JSON document."""
