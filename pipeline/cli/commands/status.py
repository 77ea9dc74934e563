"""`telemetry status`: how far the inputs are in the lake, and what state the installation is in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

import click

from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.lists import open_queue, read_optouts
from pipeline.cli.wiring.opening import (
    event_of,
    has_keys,
    no_lake,
    open_country,
    open_keystore,
    open_lake,
    open_schemas,
)
from pipeline.cli.wiring.state import state_places
from pipeline.errors import EnvironmentProblem, OptOutPaused, counted
from pipeline.flow.summary import by_field

if TYPE_CHECKING:
    from pipeline.events.schema import EventSchema
    from pipeline.io.kafka.lag import PartitionLag
    from pipeline.io.lake.lake import Lake
    from pipeline.ops.status import InputState, TableState

    Schemas = Mapping[str, tuple[EventSchema, ...]]

_DAYS_SHOWN = 7
_FILES_SHOWN = 4
"""Of a source with more files, those that were read to their end are one row."""


@dataclass(frozen=True, slots=True)
class OptOutStatus:
    """What is known about the opt-out list; counts are `None` if it is missing or unknown."""

    accounts: int | None
    opted_out: int | None
    changed_at: datetime | None
    """When the file was last written; None for a topic."""
    waiting_requests: int
    topic: str | None = None
    """The topic that carries the list; None for the file of the state folder."""
    known: bool = True
    """Whether the list could be read; False if its brokers do not answer."""


@dataclass(frozen=True, slots=True)
class Status:
    """The state of an installation at one moment."""

    lake: str
    now: datetime
    tables: list[TableState]
    nulled: Mapping[str, Mapping[str, int]]
    """By event and `field.reason`, in the last commits."""
    inputs: list[InputState]
    topics: list[PartitionLag]
    optout: OptOutStatus
    keys: list[dict[str, object]]
    geo: dict[str, object]

    def document(self) -> dict[str, object]:
        """The status as JSON values."""
        return {
            "lake": self.lake,
            "now": self.now,
            "tables": {table.table: _table_document(table) for table in self.tables},
            "nulled": {event: by_field(counts) for event, counts in self.nulled.items()},
            "inputs": [asdict(state) for state in self.inputs],
            "topics": [asdict(one) for one in self.topics],
            "lag_messages": sum(one.lag for one in self.topics),
            "lag_bytes": sum(state.lag_bytes for state in self.inputs),
            "optout": asdict(self.optout),
            "keys": self.keys,
            "geo": self.geo,
        }


@click.command()
@configured
def command(call: Invocation) -> None:
    """Show positions and lag, rows and files by day, opt-out list, keys and country database.

    Exit code 3 where nothing was ever committed and no topic waits to be read.
    """
    status = take_status(call)
    call.out.result(status.document(), lambda: show_status(call, status))


def take_status(call: Invocation) -> Status:
    """Look at everything without changing anything. Raises `EnvironmentProblem` without a lake."""
    from pipeline.ops.status import recent_nulled, table_states

    lake, schemas = open_lake(call.settings, repairs=False), open_schemas(call.settings)
    tables = table_states(lake, schemas)
    topics = _topics(call, lake, schemas)
    if not topics and all(table.version < 0 for table in tables):
        raise no_lake(lake)
    return Status(
        lake=lake.root,
        now=call.now(),
        tables=tables,
        nulled=recent_nulled(lake, schemas, tables),
        inputs=_inputs(call, lake, schemas),
        topics=topics,
        optout=_optout(call),
        keys=_keys(call),
        geo=_geo(call),
    )


def _table_document(table: TableState) -> Mapping[str, object]:
    return {
        "version": table.version,
        "rows": table.rows,
        "files": table.files,
        "bytes": table.bytes,
        "oldest_day": table.oldest,
        "days": [asdict(day) for day in table.days],
    }


def _inputs(call: Invocation, lake: Lake, schemas: Schemas) -> list[InputState]:
    from pipeline.io.files.source import FileSourceSettings
    from pipeline.ops.status import input_states

    settings = call.settings
    state = settings.state.path
    if state is None or not has_keys(call.settings):
        return []
    key = open_keystore(settings, call.now).live_permanent_key("files")
    if key is None:  # no file was ever read
        return []
    found = []
    for name, source in sorted(settings.sources.items()):
        event = event_of(source, schemas)
        if isinstance(source, FileSourceSettings) and event in schemas:
            table = lake.events(event, schemas[event][-1].stored)
            found += input_states(name, event, source.files, key, table.positions)
    return found


def _topics(call: Invocation, lake: Lake, schemas: Schemas) -> list[PartitionLag]:
    """Partitions of the settings' topics; a broker that does not answer is a warning."""
    from pipeline.cli.wiring.topics import kafka_access, topics_of

    settings = call.settings
    found: list[PartitionLag] = []
    for name, source in topics_of(settings):
        from pipeline.io.kafka.lag import partition_lags

        event = event_of(source, schemas)
        table = lake.events(event, schemas[event][-1].stored)
        try:
            found += partition_lags(
                kafka_access(source.servers, settings),
                name,
                source.topic,
                table.position,
                call.now(),
                committed_only=settings.kafka.read_committed,
            )
        except EnvironmentProblem as problem:
            call.out.warn(f"source {name}: {problem}")
    return found


def _optout(call: Invocation) -> OptOutStatus:
    """What is known about the list a run would read; a broker that does not answer is a warning.

    Raises OptOutStale if the file of the state folder cannot be trusted.
    """
    settings = call.settings
    topic = settings.kafka.optout_topic
    waiting = 0 if settings.state.path is None else len(open_queue(settings).pending())
    if topic is None and not has_keys(settings):
        return OptOutStatus(None, None, None, waiting)
    try:
        listed = read_optouts(call)
    except OptOutPaused as problem:
        call.out.warn(f"opt-out list: {problem}")
        return OptOutStatus(None, None, None, waiting, topic, known=False)
    changed = None if topic is not None else _changed_at(call)
    if topic is None and changed is None:
        return OptOutStatus(None, None, None, waiting)
    now_us = round(call.now().timestamp() * 1_000_000)
    out = listed.count_out(now_us)
    return OptOutStatus(len(listed.standings), out, changed, waiting, topic)


def _changed_at(call: Invocation) -> datetime | None:
    """When the list in the state folder was last written; None if it was never created."""
    file = state_places(call.settings).optouts
    return datetime.fromtimestamp(file.stat().st_mtime, UTC) if file.exists() else None


def _keys(call: Invocation) -> list[dict[str, object]]:
    state = call.settings.state.path
    if state is None or not has_keys(call.settings):
        return []
    return [
        {"epoch": record.name, "last_day": record.last_day, "live": record.live}
        for record in open_keystore(call.settings, call.now).epochs()
    ]


def _geo(call: Invocation) -> dict[str, object]:
    database = open_country(call.settings)
    info = database.info
    database.close()
    return {
        "type": info.type,
        "built_on": info.built_on,
        "age_days": info.age_days(call.now().date()),
        "demo": info.demo,
    }


def show_status(call: Invocation, status: Status) -> None:
    """Print a status for a person."""
    out = call.out
    out.table(
        ["table", "rows", "files", "MiB", "days", "oldest", "newest"],
        [
            [
                table.table,
                table.rows,
                table.files,
                round(table.bytes / 2**20, 2),
                len(table.days),
                table.oldest,
                table.days[-1].date if table.days else None,
            ]
            for table in status.tables
        ],
    )
    _show_days(call, status.tables)
    if any(status.nulled.values()):
        out.line()
        out.table(
            ["values made null", "field", "reason", "count in the last commits"],
            [
                [event, *name.split(".", 1), count]
                for event, counts in status.nulled.items()
                for name, count in sorted(counts.items())
            ],
        )
    if status.inputs:
        out.line()
        out.table(
            ["source", "file", "position", "size", "lag in bytes"],
            list(_input_rows(status.inputs)),
        )
    if status.topics:
        out.line()
        out.table(
            ["source", "topic", "partition", "position", "end", "lag", "lost", "waiting in s"],
            [
                [
                    one.source,
                    one.topic,
                    one.partition,
                    one.position,
                    one.end,
                    one.lag,
                    one.lost,
                    None if one.waiting_seconds is None else round(one.waiting_seconds, 1),
                ]
                for one in status.topics
            ],
        )
    out.line()
    out.line(f"opt-out list    {_optout_line(status.optout)}")
    live = [str(key["epoch"]) for key in status.keys if key["live"]]
    destroyed = len(status.keys) - len(live)
    out.line(f"key epochs      {', '.join(live) or 'none yet'}; {destroyed} destroyed")
    geo = status.geo
    demo = ", demo ranges only" if geo["demo"] else ""
    out.line(
        f"countries       {geo['type']}, {counted(int(str(geo['age_days'])), 'day')} old{demo}"
    )


def _show_days(call: Invocation, tables: Sequence[TableState]) -> None:
    events = [table for table in tables if table.table != "rejections"]
    days = sorted({day.date for table in events for day in table.days})
    if not days:
        return
    call.out.line()
    rows = {(table.table, day.date): day for table in events for day in table.days}
    files = {
        date: sum(found.files for (_, one), found in rows.items() if one == date) for date in days
    }
    newest = days[-_DAYS_SHOWN:]
    call.out.table(
        ["rows by day", *(table.table for table in events), "files"],
        [
            [
                date.isoformat(),
                *(
                    rows[table.table, date].rows if (table.table, date) in rows else 0
                    for table in events
                ),
                files[date],
            ]
            for date in newest
        ],
    )
    if len(days) > len(newest):
        call.out.line(f"{counted(len(days) - len(newest), 'older day')}: telemetry status --json")


def _optout_line(optout: OptOutStatus) -> str:
    waiting = f"{counted(optout.waiting_requests, 'request')} waiting"
    if not optout.known:
        return f"unknown: topic {optout.topic} cannot be read now; {waiting}"
    if optout.accounts is None:
        return f"never created; {waiting}"
    out = f"{counted(optout.opted_out or 0, 'account')} opted out"
    if optout.topic is not None:
        return f"{out}, by topic {optout.topic}; {waiting}"
    changed = optout.changed_at.isoformat(timespec="seconds") if optout.changed_at else "-"
    return f"{out}, last change {changed}; {waiting}"


def _input_rows(inputs: Sequence[InputState]) -> Iterator[Sequence[str | int | None]]:
    """A row for each file; for a source of many files, one for all that were read to their end."""
    for source, group in groupby(inputs, lambda one: one.source):
        files = list(group)
        done = [one for one in files if not one.lag_bytes] if len(files) > _FILES_SHOWN else []
        if done:
            read, size = (
                sum(getattr(one, name) or 0 for one in done) for name in ("position", "size")
            )
            yield [source, f"{counted(len(done), 'file')}, read to the end", read, size, 0]
        yield from (
            [source, one.path, one.position, one.size, one.lag_bytes]
            for one in files
            if one not in done
        )
