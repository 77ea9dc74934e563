"""The tables of a lake: their logs, what is beside the logs, and every file, row by row.

A file that no commit names is a finding at any age, unless its writer is alive on this machine: it
may be about to commit it. In an object store nobody can know that about a file of the last hour,
and the scan says so instead of guessing. In any case it is read like all the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import TelemetryError, counted
from pipeline.events.schema import SUBJECT
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.orphans import SWEEP_AFTER_SECONDS, writer_of
from pipeline.io.lake.rejection_table import KEPT_DAYS
from pipeline.io.parquet.encoding import kind_of
from pipeline.io.tree import Tree
from pipeline.ops.scan.declared import REJECTIONS, SESSIONS, Declared, Sought
from pipeline.ops.scan.findings import Doubt, Finding, Scanned
from pipeline.ops.scan.log_scan import LOG, Named, scan_checkpoint, scan_entry, scan_hint
from pipeline.ops.scan.parquet_scan import COLUMNS, READABLE, FileScan, Layout, scan_file
from pipeline.ops.scan.places import Holds, PlaceMatch
from pipeline.ops.scan.token_epochs import TokenEpochs
from pipeline.ops.scan.walk import ORPHANS, Walked
from pipeline.privacy.identity.epochs import epoch_of

THREADS = 2
EXPIRED, OLD_VERSIONS = "nothing_expired", "no_old_versions"
FILES = (Holds.ROWS, Holds.REJECTIONS, Holds.STAGED)
LOGS = (Holds.LOG_ENTRY, Holds.CHECKPOINT, Holds.LAST_CHECKPOINT)
FAULTS = (
    pa.ArrowException,
    OSError,
    ValueError,
    ArithmeticError,
    LookupError,
    TypeError,
    RuntimeError,
    MemoryError,
    TelemetryError,
)
"""What reading a file with arbitrary content may raise: its writer may have been malicious."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file to be read."""

    table: str
    match: PlaceMatch
    layout: Layout
    rows: int | None
    """How many rows it has according to the log; None if no commit names it."""

    @property
    def place(self) -> str:
        """Its name in findings."""
        return f"lake/{self.match.entry.path}"


@dataclass(slots=True)
class TableScan:
    """All tables of one lake; used once."""

    lake: Lake
    declared: Declared
    tree: Tree
    walked: Walked
    now: datetime
    sought: Sequence[Sought]
    held: frozenset[date]
    alive: frozenset[str]
    """Writers of this lake whose processes run on this machine."""
    progress: Callable[[str], None]
    tokens: TokenEpochs = field(default_factory=TokenEpochs)

    def run(self) -> Iterator[Scanned]:
        """Scan table by table, then all files, the largest first."""
        tables: dict[str, list[PlaceMatch]] = {}
        for match in self.walked.matches:
            tables.setdefault(table_of(match.entry.path), []).append(match)
        tables.pop("", None)
        work: list[FilePart] = []
        for table, mine in tables.items():
            logged = Named()
            yield Scanned(findings=tuple(self._log(table, mine, logged)))
            parts, seen = self._compare(table, mine, logged)
            work += parts
            yield seen
        work.sort(key=lambda part: -part.match.entry.size)
        with ThreadPoolExecutor(THREADS) as pool:
            for number, scanned in enumerate(pool.map(self._read, work), 1):
                self.progress(f"{number} of {counted(len(work), 'file')}")
                yield scanned

    def _log(self, table: str, mine: Sequence[PlaceMatch], logged: Named) -> Iterator[Finding]:
        rules = self.declared.log_rules(table)
        entries = [match for match in mine if match.place.holds in LOGS]
        for match in entries:
            place = f"lake/{match.entry.path}"
            try:
                with self.tree.open(match.entry.path) as source:
                    match match.place.holds:
                        case Holds.CHECKPOINT:
                            yield from scan_checkpoint(source, place, rules, logged)
                        case Holds.LAST_CHECKPOINT:
                            yield from scan_hint(place, source.read(), rules)
                        case _:
                            yield from scan_entry(place, source.read(), rules, logged)
            except FileNotFoundError:
                continue  # cleaned up meanwhile: a checkpoint holds its content
            except FAULTS:
                yield Finding((READABLE, LOG), place, "it cannot be read")
        if not entries and any(match.place.holds in FILES for match in mine):
            yield Finding((LOG, ORPHANS), f"lake/{table}", "files of a table without a log")

    def _compare(
        self, table: str, mine: Sequence[PlaceMatch], logged: Named
    ) -> tuple[list[FilePart], Scanned]:
        """Compare the listing with the log; return the files to be read, and what was found."""
        findings: list[Finding] = []
        doubts: list[Doubt] = []
        named = self._named(table)
        if named is None:
            findings.append(Finding((READABLE, LOG), f"lake/{table}", "its log cannot be loaded"))
            named = {}
        layouts = self.declared.layouts(table)
        parts: list[FilePart] = []
        listed = set()
        for match in mine:
            if match.place.holds not in FILES:
                continue
            inside = match.entry.path.removeprefix(f"{table}/")
            listed.add(inside)
            findings += self._day(table, match)
            part = FilePart(table, match, layouts[kind_of(inside)], named.get(inside))
            parts.append(part)
            if part.rows is not None:
                continue
            verdict = self._unnamed(part, inside, logged)
            if isinstance(verdict, Doubt):
                doubts.append(verdict)
            elif verdict is not None:
                findings.append(verdict)
        gone = [one for one in named if one not in listed and not self._exists(table, one)]
        if gone:
            self.lake.look_again(table)
        still = (self._named(table) or {}) if gone else {}
        findings += [
            Finding((READABLE,), f"lake/{table}/{one}", "the log names it and it is not there")
            for one in gone
            if one in still
        ]
        return parts, Scanned(findings=tuple(findings), doubts=tuple(doubts))

    def _named(self, table: str) -> Mapping[str, int] | None:
        try:
            return self.lake.files_of(table)
        except TelemetryError:
            return None

    def _exists(self, table: str, inside: str) -> bool:
        return self.tree.exists(f"{table}/{inside}")

    def _unnamed(self, part: FilePart, inside: str, logged: Named) -> Finding | Doubt | None:
        """Judge a file that no commit names by now; None if that is as it should be."""
        if writer_of(inside) in self.alive or not self.tree.exists(part.match.entry.path):
            return None
        if inside in logged.removed:
            return Finding((OLD_VERSIONS,), part.place, "a commit removed it and it is still there")
        age = self.now.timestamp() - part.match.entry.modified
        if not self.lake.local and 0 <= age < SWEEP_AFTER_SECONDS:
            why = "no commit names it yet, and in an object store nobody knows its writer"
            return Doubt((ORPHANS,), part.place, why)
        return Finding((ORPHANS,), part.place, "no commit names it")

    def _day(self, table: str, match: PlaceMatch) -> Iterator[Finding]:
        day, today = match.day, self.now.date()
        kept = KEPT_DAYS + 1 if table == REJECTIONS else self.declared.retention_days
        if day is None or day in self.held:
            return
        if day < today - timedelta(days=kept - 1):
            yield Finding((EXPIRED,), f"lake/{match.entry.path}", "its day should be gone")
        elif day > today + timedelta(days=1):
            yield Finding((EXPIRED,), f"lake/{match.entry.path}", "its day is yet to come")

    def _read(self, part: FilePart) -> Scanned:
        path = part.match.entry.path
        try:
            decryption = self.lake.encryption.opening(path)
            with self.tree.open(path) as source:
                done = scan_file(source, part.place, part.layout, decryption, self._looking(part))
        except FAULTS:
            if not self.tree.exists(path):
                return Scanned()  # meanwhile removed by a job
            done = FileScan(findings=[Finding((READABLE,), part.place, "it cannot be read")])
        else:
            if part.rows is not None and part.rows != done.rows:
                reason = "it has another number of rows than the log says"
                done.findings.append(Finding((COLUMNS, LOG), part.place, reason))
        return Scanned(1, done.rows, done.texts, tuple(done.findings))

    def _looking(self, part: FilePart) -> Callable[[str, pa.Array], Iterable[Finding]]:
        """Return the check of a file's tokens."""
        day = part.match.day
        assert day is not None  # the grammar of a table's files has one
        epoch = epoch_of(day, self.declared.epochs).name
        wanted = [
            (one, tokens)
            for one in self.sought
            if part.table.startswith(one.tables) and len(tokens := one.subjects.of(day))
        ]

        def look(column: str, tokens: pa.Array) -> Iterable[Finding]:
            if column in (SUBJECT, SESSIONS):
                self.tokens.add(column, epoch, tokens)
            if column == SUBJECT:
                for one, subjects in wanted:
                    if count := pc.sum(pc.is_in(tokens, value_set=subjects)).as_py():
                        yield Finding((one.check,), part.place, one.reason, count)

        return look


def table_of(path: str) -> str:
    """The table that a path of the lake belongs to; empty if it belongs to none.

    >>> table_of("events/session/event_date=2026-11-01"), table_of("rollups/manifest.json")
    ('events/session', '')
    """
    parts = path.split("/")
    if parts[0] == REJECTIONS:
        return REJECTIONS
    return "/".join(parts[:2]) if parts[0] in ("events", "restricted") and parts[1:] else ""
