"""The demo's steps: each does what a user would do with one command, and shows the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, groupby
from typing import TYPE_CHECKING, cast

from pipeline.cli.commands.audit import open_audited
from pipeline.cli.commands.expire import GUARDS, open_expiry
from pipeline.cli.commands.run import check_account, show_summary
from pipeline.cli.commands.sql import answer, as_objects
from pipeline.cli.commands.status import show_status, take_status
from pipeline.cli.demo.figures import SITE, dashboard, rollup
from pipeline.cli.demo.scene import Demo, StepResult
from pipeline.cli.wiring.lists import open_queue, optout_list
from pipeline.cli.wiring.opening import epochs_of, open_keystore, open_lake
from pipeline.errors import PrivacyGateClosed, counted

if TYPE_CHECKING:
    from pipeline.io.files.source import FileSource


def generate(demo: Demo) -> StepResult:
    """Make the raw events of all four kinds, and let some accounts opt out."""
    from pipeline.demo import traffic
    from pipeline.io.disk.atomic import write_file
    from pipeline.io.rights.request_queue import opt_out

    out, settings, world = demo.call.out, demo.call.settings, demo.world()
    rows = []
    with out.progress("generated", demo.events) as advance:
        for event, count in demo.counts().items():
            began = time.perf_counter()
            days = traffic.arrivals(world, event, count)
            size = sum(
                write_file(
                    demo.inputs / event / f"{day}.ndjson",
                    _counted((block for _, block in blocks), advance),
                )
                for day, blocks in groupby(days, lambda one: demo.taken_in_on(one[0]))
            )
            rows.append((event, count, size / 2**20, count / (time.perf_counter() - began)))
    accounts = world.opted_out()
    with optout_list(demo.call) as optouts:
        opt_out(
            accounts,
            demo.call.now(),
            optouts=optouts,
            queue=open_queue(settings),
            keys=open_keystore(settings, demo.call.now),
            epochs=epochs_of(settings),
        )

    def show() -> None:
        out.table(
            ["event", "lines", "MiB", "lines/s"],
            [[event, count, round(size, 1), round(rate)] for event, count, size, rate in rows],
        )
        out.line(
            f"{counted(demo.days, 'day')} until {demo.call.now():%Y-%m-%d %H:%M} UTC, "
            f"{counted(world.accounts, 'account')}, {len(accounts):,} of them opted out"
        )

    found = {event: {"events": count, "mib": round(size, 1)} for event, count, size, _ in rows}
    return StepResult({"events": found, "opted_out_accounts": len(accounts)}, show)


def _counted(blocks: Iterator[bytes], advance: Callable[[int], None]) -> Iterator[bytes]:
    for block in blocks:
        yield block
        advance(block.count(b"\n"))


def run(demo: Demo) -> StepResult:
    """Take everything through the pipeline, once: each day's file on its day."""
    from pipeline.cli.demo.arrivals import DailyFiles, StoryClock, end_of, open_story_lake
    from pipeline.cli.wiring.ports import make_ports
    from pipeline.flow.runners.run import run as run_pipeline
    from pipeline.flow.runners.run_options import RunOptions

    call = demo.call
    now = call.now()
    first = end_of(demo.taken_in_on(demo.begin.date()), now)
    # Keys are as old as the installation.
    ports = make_ports(call.settings, fixed_now=first, backfill=True, once=True)
    story = StoryClock(first)
    ports = replace(
        ports,
        sources=tuple(
            DailyFiles(cast("FileSource", source), story, now) for source in ports.sources
        ),
        lake=partial(open_story_lake, call.settings, story),
        clock=story,
    )
    with call.out.progress("events", demo.events) as advance:
        options = RunOptions(on_commit=lambda tally: advance(tally.read))
        summary = run_pipeline(ports, options)
    check_account(summary.as_dict())
    return StepResult(summary.as_dict(), lambda: show_summary(call, summary))


def expire(demo: Demo) -> StepResult:
    """Delete what is due: in the story's four weeks, rejections that are older than one week."""
    expiry = open_expiry(demo.call)
    now = demo.call.now()
    plan = expiry.propose(now).plan
    if plan.empty:
        return StepResult({"files": 0, "rows": 0}, lambda: demo.call.out.line("Nothing is due."))
    body = dict(expiry.apply(plan.digest, now, GUARDS, lambda _step: None).body)
    return StepResult(
        {"files": body["files"], "rows": body["rows"]},
        lambda: demo.call.out.line(
            f"Deleted {counted(int(str(body['files'])), 'file')} with "
            f"{counted(int(str(body['rows'])), 'rejection')} older than a week; "
            "verified, with a receipt."
        ),
    )


def status(demo: Demo) -> StepResult:
    """Look at the lake and the state folder."""
    found = take_status(demo.call)
    return StepResult(found.document(), lambda: show_status(demo.call, found))


def questions(demo: Demo) -> StepResult:
    """Ask the lake some questions in SQL."""
    from pipeline.demo.questions import QUESTIONS

    out = demo.call.out
    answers = [(question, *answer(demo.call, question.sql)) for question in QUESTIONS]

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
    return StepResult(document, show)


def scan(demo: Demo) -> StepResult:
    """Search all that was written for what must not be there; PrivacyGateClosed if it is."""
    from pipeline.demo.awkward import CANARIES
    from pipeline.io.folder_bytes import read_contents
    from pipeline.ops.audit.identifier_search import search
    from pipeline.ops.audit.whole_scan import scan_everything

    call = demo.call
    lake = open_lake(call.settings)
    audited = open_audited(call, dashboard=demo.folder / SITE)
    scanned = scan_everything(audited)
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
            where=", ".join(map(str, scanned.findings[:5]))
            or ", ".join(sorted({leak.place for leak in searched.leaks})),
            remedy="Do not use this build. Report the places named above",
        )
    document = {
        "rows": scanned.rows,
        "texts": scanned.texts,
        "findings": len(scanned.findings),
        "canaries_in_input": planted,
        "files": searched.files,
        "bytes": searched.bytes,
        "canaries_in_output": 0,
    }

    def show() -> None:
        call.out.paragraph(
            f"{counted(scanned.files, 'file')}, {counted(scanned.rows, 'row')}, "
            f"{counted(scanned.texts, 'distinct text')}: "
            "each one a value of a closed list, a token, a network within its ceiling or a "
            "version; nothing lies where no rule names it."
        )
        call.out.paragraph(
            f"{counted(planted, 'canary')} in the input; none in {counted(searched.files, 'file')} "
            f"({searched.bytes / 2**20:,.0f} MiB unpacked) of lake, state and page, in any "
            "encoding."
        )

    return StepResult(document, show)


STEPS: tuple[tuple[str, Callable[[Demo], StepResult]], ...] = (
    ("Invent traffic: telemetry generate", generate),
    ("Run the pipeline: telemetry run", run),
    ("Let go of what is due: telemetry expire", expire),
    ("Look at the lake: telemetry status", status),
    ("Ask questions: telemetry sql", questions),
    ("Publish what the privacy gate lets through: telemetry rollup", rollup),
    ("Show it as one page: telemetry dashboard build", dashboard),
    ("Search everything that was written for identifiers", scan),
)
"""What the demo does, in this order; a step's function names its part of the JSON document."""
