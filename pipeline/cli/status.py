"""`telemetry status`: how far the inputs are in the lake, and what state the installation is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from pipeline.cli.opening import country_path, has_keys, open_keystore, open_lake, open_schemas
from pipeline.cli.options import Invocation, configured
from pipeline.errors import EnvironmentProblem

if TYPE_CHECKING:
    from pipeline.io.kafka_lag import PartitionLag
    from pipeline.ops.overview import InputState, TableState

_DAYS_SHOWN = 7


@dataclass(frozen=True, slots=True)
class OptOutStatus:
    """What is known of the opt-out list; `None` counts if there never was one."""

    accounts: int | None
    opted_out: int | None
    changed_at: datetime | None
    waiting_requests: int


@dataclass(frozen=True, slots=True)
class Status:
    """The state of an installation at one moment."""

    lake: str
    now: datetime
    tables: list[TableState]
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
    """Show positions and lag, rows and files by day, opt-out list, keys and country database."""
    status = take_status(call)
    call.out.result(status.document(), lambda: show_status(call, status))


def take_status(call: Invocation) -> Status:
    """Look at everything; nothing is changed or made by it."""
    from pipeline.ops.overview import table_states

    lake, schemas = open_lake(call.settings), open_schemas(call.settings)
    return Status(
        lake=lake.root,
        now=call.now(),
        tables=table_states(lake, schemas),
        inputs=_inputs(call),
        topics=_topics(call),
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


def _inputs(call: Invocation) -> list[InputState]:
    from pipeline.ops.overview import input_states

    settings = call.settings
    state = settings.state.path
    if state is None or not has_keys(call.settings):
        return []
    lake, schemas = open_lake(settings), open_schemas(settings)
    key = open_keystore(settings, call.now).permanent_key("files")
    found = []
    for name, source in sorted(settings.sources.items()):
        if source.files and source.event in schemas:
            table = lake.events(source.event, schemas[source.event][-1].stored)
            found += input_states(name, source.event, source.files, key, table.position)
    return found


def _topics(call: Invocation) -> list[PartitionLag]:
    """Partitions of the settings' topics; a broker that does not answer is a warning."""
    from pipeline.cli.kafka_lists import kafka_access

    settings = call.settings
    found: list[PartitionLag] = []
    for name, source in sorted(settings.sources.items()):
        if source.topic is None:
            continue
        from pipeline.io.kafka_lag import partition_lags

        table = open_lake(settings).events(
            source.event, open_schemas(settings)[source.event][-1].stored
        )
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
    from pipeline.cli.optout import open_optout
    from pipeline.io.requests import RequestQueue

    state = call.settings.state.path
    if state is None or not has_keys(call.settings):
        return OptOutStatus(None, None, None, 0)
    waiting = len(RequestQueue(state / "requests.ndjson").pending())
    file = state / "optout.ndjson"
    if not file.exists():
        open_optout(call).load()  # raises if there was a list before
        return OptOutStatus(None, None, None, waiting)
    standings = open_optout(call).load().standings
    now_us = round(call.now().timestamp() * 1_000_000)
    out = sum(standing.opted_out_at(now_us) for standing in standings.values())
    changed = datetime.fromtimestamp(file.stat().st_mtime, call.now().tzinfo)
    return OptOutStatus(len(standings), out, changed, waiting)


def _keys(call: Invocation) -> list[dict[str, object]]:
    state = call.settings.state.path
    if state is None or not has_keys(call.settings):
        return []
    return [
        {"epoch": record.name, "last_day": record.last_day, "live": record.live}
        for record in open_keystore(call.settings, call.now).epochs()
    ]


def _geo(call: Invocation) -> dict[str, object]:
    from pipeline.io.geo import CountryDatabase

    database = CountryDatabase(country_path(call.settings))
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
    if all(table.version < 0 for table in status.tables):
        call.out.warn(f"nothing was ever committed to {status.lake}")
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
    if status.inputs:
        out.line()
        out.table(
            ["source", "file", "position", "size", "lag in bytes"],
            [
                [one.source, one.path, one.position, one.size, one.lag_bytes]
                for one in status.inputs
            ],
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
    out.line(f"countries       {geo['type']}, {geo['age_days']} days old{demo}")


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
        call.out.line(f"{len(days) - len(newest)} older days: telemetry status --json")


def _optout_line(optout: OptOutStatus) -> str:
    waiting = f"{optout.waiting_requests} requests waiting"
    if optout.accounts is None:
        return f"never created; {waiting}"
    changed = optout.changed_at.isoformat(timespec="seconds") if optout.changed_at else "-"
    return f"{optout.opted_out:,} accounts opted out, last change {changed}; {waiting}"
