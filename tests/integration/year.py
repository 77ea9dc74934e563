"""A year of days: what arrives, what is asked for, what dies, and what has to be true every day."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random

import pyarrow.parquet as pq

from pipeline.io.keys.local import LocalKeystore
from pipeline.io.rights.request_queue import RequestKind
from pipeline.ops.views import View, open_views, visible
from pipeline.privacy.identity.epochs import Epoch, epoch_of
from pipeline.privacy.identity.tokens import Domain, token
from tests.integration.runs import EVENT, schemas
from tests.integration.year_people import ACTIVE, Expected, Rows
from tests.integration.year_worker import (
    EPOCHS,
    Arrivals,
    Asked,
    Killed,
    Night,
    Stream,
    World,
    dying,
    raise_killed,
    serve,
    work,
    work_alone,
)

FIRST = date(2025, 3, 10)


class Year:
    """One folder with a lake, and the clock of its days. `inline`: no process but this one."""

    def __init__(self, folder: Path, seed: int, *, inline: bool = False) -> None:
        self.folder, self.random, self.inline = folder, Random(seed), inline
        self.world = World(folder)
        self.expected = Expected()
        self.messages = 0
        self.killed = 0
        self._last: int | None = None
        self._died = False
        self._read: dict[str, Rows] = {}
        self._writer: Writer | None = None

    def noon(self, number: int) -> datetime:
        """The middle of a day of the year."""
        return datetime.combine(FIRST + timedelta(days=number), time(12), UTC)

    def live_through(
        self,
        number: int,
        *,
        ask: Mapping[str, RequestKind] | None = None,
        hold: tuple[str, ...] = (),
        backfill: bool = False,
        stream_dies: str = "",
        jobs_die: str = "",
        hard: bool = False,
        leave_rubbish: bool = False,
    ) -> None:
        """One day: the checks of midnight, arrivals beside the jobs, and the checks of evening.

        `jobs_die` says where the jobs die; `hard` whether by a signal in a process of their own.
        `leave_rubbish` leaves what a writer of long ago wrote and never committed.
        """
        now = self.noon(number)
        today = now.date()
        missed = self._last is not None and number - self._last > 1
        self._last = number
        if not missed:
            self.check_midnight(today)
        asked = [
            Asked(f"{number:08x}{place:08x}", kind, who)
            for place, (who, kind) in enumerate((ask or {}).items())
        ]
        self.expected.ask(asked, hold, number)
        self._arrive(today, self.expected.silent(asked, number), backfill=backfill)
        if leave_rubbish:
            self._leave_rubbish(today)
        died = bool(jobs_die or self._died or leave_rubbish or missed)
        self._died = bool(stream_dies)
        sealed = _days_to_seal(today, number)
        night = Night(now, tuple(asked), hold, sealed, missed, recover=died or number % 10 == 0)
        arrivals = Arrivals(now, self.messages, backfill, stream_dies)
        with self._taking_in(arrivals):
            self._work(night, jobs_die, hard)
        self.check_evening(today, number)
        self._age()

    def _arrive(self, today: date, silent: set[str], *, backfill: bool) -> None:
        lines: list[bytes] = []
        talking = [who for who in ACTIVE if who not in silent]
        for _ in range(self.random.randint(7, 12)):
            age = self.random.choice([0, 0, 0, 0, 1, 2, 6, 7, 8])
            if backfill:
                age = self.random.randint(60, 92)
            hour = self.random.randint(0, 23) if age else self.random.randint(0, 11)
            who = self.random.choice([*talking, None])
            day = today - timedelta(days=age)
            lines.append(_message(self.messages + len(lines), day, hour, who))
            limit = 88 if backfill else 7 if hour >= 12 else 6
            if age <= limit:
                subject = self._token(day, who)
                if self.expected.is_taken(who):
                    self.expected.rows[day, subject] += 1
        with (self.folder / "messages.ndjson").open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))
        self.messages += len(lines)

    def _token(self, day: date, who: str | None) -> str | None:
        if who is None:
            return None
        epoch = epoch_of(day, EPOCHS)
        if (who, epoch.name) not in self.expected.tokens:
            self.world.now = datetime.combine(day, time(), UTC)
            key = self.world.keys.epoch_key(epoch)
            assert key is not None
            self.expected.tokens[who, epoch.name] = token(key, Domain.SUBJECT, who)
        return self.expected.tokens[who, epoch.name]

    @contextmanager
    def _taking_in(self, arrivals: Arrivals) -> Iterator[None]:
        """Take arrivals in while the block runs; a stream that dies is started again."""
        if self.inline:
            stream = Stream(self.folder)
            stream.take_in(arrivals)
            stream.lake.close()
            yield
            return
        if self._writer is None:
            self._writer = Writer(self.folder)
        self._writer.order(arrivals)
        yield
        if not self._writer.done():
            self.killed += 1
            self._writer = Writer(self.folder)
            self._writer.order(Arrivals(arrivals.now, arrivals.total, arrivals.backfill))
            assert self._writer.done()

    def _leave_rubbish(self, today: date) -> None:
        folder = self.folder / f"lake/events/{EVENT}/event_date={today - timedelta(days=1)}"
        folder.mkdir(parents=True, exist_ok=True)
        for name in (
            f"part-{'0' * 12}-{'1' * 32}.parquet",
            f".part-{'0' * 12}-{'2' * 32}.parquet.tmp",
        ):
            (folder / name).write_bytes(b"PAR1")
            os.utime(folder / name, (0, 0))

    def _work(self, night: Night, where: str, hard: bool) -> None:
        if where and hard:
            doomed = replace(night, die=where)
            process = _SPAWN.Process(target=work_alone, args=(self.folder, doomed))
            process.start()
            process.join()
            if process.exitcode == 0:
                return
            assert process.exitcode == -9
            self.killed += 1
        elif where:
            try:
                with dying(where, raise_killed):
                    work(self.folder, night)
                return
            except Killed:
                self.killed += 1
        work(self.folder, night)

    def check_midnight(self, today: date) -> None:
        """At the stroke of midnight no file of a day of 90 days ago is anywhere, by any name."""
        limit = today - timedelta(days=90)
        late = [path for path, day in self._files(EVENT) if day <= limit]
        late += [path for path, day in self._files(EVENT, "restricted") if day <= limit]
        late += [path for path, day in self._files("") if day <= today - timedelta(days=8)]
        assert not late, f"{len(late)} files have outlived their time"

    def check_evening(self, today: date, number: int) -> None:
        """After the jobs: log and disk agree, and hold what they have to, and nothing else."""
        gone = today - timedelta(days=89)
        files = self.world.table.snapshot().files
        listed = {str(path) for path, _ in self._files(EVENT)}
        named = {file.uri for file in files}
        assert listed == named, "files that no commit names, or commits without their files"
        rows: Rows = Counter()
        for file in files:
            rows.update(self._rows_of(file.uri, file.day))
        aside = self._rows_aside()
        assert {row[1] for row in aside} <= self.expected.aside(), "rows aside of the unrestricted"
        assert not {row[1] for row in rows} & self.expected.aside(), "restricted rows in a view"
        rows += aside
        leaving = self.expected.leaving(number)
        living = {row: count for row, count in self.expected.rows.items() if row[0] > gone}
        assert {row: count for row, count in rows.items() if row[1] not in leaving} == {
            row: count for row, count in living.items() if row[1] not in leaving
        }, "rows are lost, doubled, or too old"
        # What was on its way when the erasure was asked for goes with the second pass.
        found = self.expected.over(number)
        assert not found & {row[1] for row in rows}, "an erased account is back"
        self._check_keys(gone)
        if number % 20 == 0:
            self._check_views(today)
            assert self.world.receipts.verify() is None

    def _check_keys(self, gone: date) -> None:
        epochs = LocalKeystore(self.folder / "state" / "keys").epochs()
        dead = {epoch.name for epoch in epochs if epoch.last_day <= gone}
        assert {epoch.name for epoch in epochs if not epoch.live} == dead, "a dead epoch has a key"
        left = {path.stem for path in (self.folder / "state" / "keys").glob("epoch-*.key")}
        assert not left & {f"epoch-{name}" for name in dead}
        assert all(Epoch.parse(name).last_day <= gone for name in dead)

    def _check_views(self, today: date) -> None:
        """A reader of tomorrow sees nothing that is due, though nothing has expired yet."""
        tomorrow = today + timedelta(days=1)
        stored = schemas()[EVENT][-1].stored
        files = visible(self.world.table.snapshot().files, tomorrow)
        with open_views([View(EVENT, stored, "event_date", files)]) as database:
            answer = database.execute(f"SELECT min(event_date), count(*) FROM {EVENT}").fetchone()
        assert answer is not None
        oldest, count = answer
        assert oldest > tomorrow - timedelta(days=89)
        assert count == sum(file.rows for file in files)

    def _rows_aside(self) -> Rows:
        rows: Rows = Counter()
        root = self.folder / "lake" / "restricted" / EVENT
        for path in root.glob("event_date=*/*.parquet"):
            day = date.fromisoformat(path.parent.name.partition("=")[2])
            rows.update(self._rows_of(str(path), day))
        return rows

    def _rows_of(self, uri: str, day: date) -> Rows:
        """A file never changes under its name, so it is read once."""
        if uri not in self._read:
            subjects = pq.ParquetFile(uri).read(columns=["subject"])["subject"].to_pylist()
            self._read[uri] = Counter((day, subject) for subject in subjects)
        return self._read[uri]

    def _files(self, event: str, kind: str = "events") -> Iterator[tuple[Path, date]]:
        """Every file with a day in its path, hidden ones too, of an event or of the rejections."""
        root = self.folder / "lake" / (f"{kind}/{event}" if event else "rejections")
        for path in root.glob("*_date=*/*"):
            yield path, date.fromisoformat(path.parent.name.partition("=")[2])

    def _age(self) -> None:
        """Make everything on the disk a day older."""
        for path in (self.folder / "lake").rglob("*"):
            if path.is_file():
                seen = path.stat()
                os.utime(path, (seen.st_atime - 86_400, seen.st_mtime - 86_400))

    def close(self) -> None:
        """End the stream's process."""
        if self._writer is not None:
            self._writer.end()
        self.world.lake.close()


_SPAWN = multiprocessing.get_context("forkserver")
_SPAWN.set_forkserver_preload(["tests.integration.year_worker"])


class Writer:
    """The process of a running pipeline."""

    def __init__(self, folder: Path) -> None:
        self._orders, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=serve, args=(folder, theirs), daemon=True)
        self._process.start()
        theirs.close()
        assert self._orders.recv() == "ready"

    def order(self, arrivals: Arrivals) -> None:
        """Let it take something in."""
        self._orders.send(arrivals)

    def done(self) -> bool:
        """Wait for it; False if it died instead."""
        try:
            return bool(self._orders.recv() == "done")
        except (EOFError, ConnectionResetError):
            self._process.join()
            assert self._process.exitcode == -9
            return False

    def end(self) -> None:
        """Let it end by itself."""
        self._orders.send(None)
        self._process.join()


def _days_to_seal(today: date, number: int) -> tuple[date, ...]:
    """Every sixth day: yesterday, provisionally, and every second one that is settled."""
    if number % 6:
        return ()
    return (today - timedelta(days=1), *(today - timedelta(days=age) for age in range(9, 89, 2)))


def _message(number: int, day: date, hour: int, who: str | None) -> bytes:
    values = {
        "event": EVENT,
        "version": 1,
        "event_id": f"event-{number}",
        "occurred_at": f"{day}T{hour:02}:30:00Z",
        "session_id": f"session-{number // 3}",
        "path": "/v1/streams",
        "method": "POST",
        "latency_ms": number % 900,
    }
    return json.dumps(values if who is None else {**values, "account_id": who}).encode()
