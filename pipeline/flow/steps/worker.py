"""One process's share in a run: where the stages find what is opened, and where failures go.

Stages find it by the run's id, so all stages of a process share one keystore, one opt-out list,
one lake and one set of sessions. In a process of ours a failure is kept here, the graph runs dry
and `flow.runners` raises it; on another runner it is raised through Beam, without content.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import apache_beam as beam

from pipeline import metrics as declared
from pipeline.errors import TelemetryError
from pipeline.events.model import Span
from pipeline.flow.metrics_endpoint import serve_somewhere
from pipeline.flow.otlp import Export, export
from pipeline.flow.otlp_collector import Step as Passed
from pipeline.flow.ports import Ports
from pipeline.flow.steps.account import Account
from pipeline.flow.steps.guard import guarded
from pipeline.flow.steps.opened import EventLine, Opened, open_ports
from pipeline.flow.steps.optout_watch import OptOutWatch
from pipeline.flow.steps.sessions import Sessions, Turn
from pipeline.io.source import Shard, Source
from pipeline.metrics import Metrics
from pipeline.privacy.optout import OptOutState

T = TypeVar("T")


class Worker:
    """The process's share in a run. One thread at a time works in it, see `Turn`."""

    def __init__(self, ports: Ports) -> None:
        self.ports = ports
        self.metrics = Metrics()
        self.account = Account(self.metrics, ports.clock)
        self.sessions = Sessions()
        self.turn = Turn()
        self.failure: TelemetryError | None = None
        self.stopping = False
        self.stopped_at = 0.0
        self.export: Export | None = None
        self._optout: OptOutWatch | None = None
        self._opened: Opened | None = None
        self._serves = False
        self._lock = threading.Lock()

    def open(self) -> Opened:
        """Return what this process has opened; the first call opens it. Raises `TelemetryError`."""
        with self._lock:
            self._serve()
            if self._opened is None:
                self._opened = guarded("opening", None, lambda: open_ports(self.ports))
            return self._opened

    def line(self, event: str) -> EventLine:
        """Return what belongs to an event."""
        return self.open().lines[event]

    def source_of(self, shard: Shard) -> Source:
        """Return the source that a shard belongs to."""
        return next(source for source in self.ports.sources if source.name == shard.source)

    def knows_schemas(self, shard: Shard) -> bool:
        """Return whether a shard can be read on; False while its schema registry is waited for."""
        readers = self.open().readers.get(shard.source)
        return readers is None or readers.ready()

    def now(self) -> datetime:
        """Return the time of the run's clock."""
        return self.ports.clock()

    def standing(self) -> OptOutState | None:
        """Return the opt-out list as of now; None while that cannot be known and nothing is read.

        Raises `OptOutStale` if somebody has to repair the list, or the run would not wait.
        """
        standing = self._watch().standing(self.now())
        if standing is not None:
            self.open()
        self.metrics.ready = standing is not None
        return standing

    def attempt(self, step: str, span: Span | None, call: Callable[[], T]) -> tuple[T, ...]:
        """Return what `call` returns as a tuple of one; after a failure, an empty one."""
        began, since, failed = time.monotonic(), time.time_ns(), False
        try:
            return (guarded(step, span, call),)
        except TelemetryError as error:
            failed = True
            self.fail(error)
            return ()
        finally:
            self.metrics.count(declared.STEP_SECONDS, time.monotonic() - began, step=step)
            self.account.passed(span, Passed(step, since, time.time_ns(), failed))

    def fail(self, error: TelemetryError) -> None:
        """End the run because of an error; the first one counts."""
        if self.ports.seat.index is None:
            # The thread that fails has the turn, and Beam may keep its frames for long.
            self.turn.give()
            # Beam makes a new error from the first argument alone: let it be the whole story.
            raise type(error)(str(error)) from None
        if self.failure is None:
            self.failure = error
        self.stop()

    def stop(self) -> None:
        """Ask for an end of the run: flush, commit, return. Safe in a signal handler."""
        if not self.stopping:
            self.stopped_at = time.monotonic()
            self.stopping = True  # no Event: its lock may be held where the signal comes in

    def start_export(self) -> None:
        """Send metrics and traces to the ports' collector, if there is one.

        Raises EnvironmentProblem.
        """
        seat = self.ports.seat.index
        name = f"{self.ports.run_id}/{'worker' if seat is None else seat}"
        self.export = export(self.ports.collector, self.metrics, name)

    def close(self) -> None:
        """Close everything."""
        self.sessions.close()
        if self.export is not None:
            self.export.close()
        if self._opened is not None:
            self._opened.lake.close()

    def _watch(self) -> OptOutWatch:
        with self._lock:
            self._serve()
            if self._optout is None:
                source = guarded("opening", None, self.ports.optout)
                self._optout = OptOutWatch(source, self.metrics, waits=not self.ports.pace.to_end)
            return self._optout

    def _serve(self) -> None:
        """Serve the metrics, where no process of ours does it for this one."""
        if self.ports.seat.index is None and not self._serves:
            serve_somewhere(self.metrics, self.ports.metrics)
            self.start_export()
            self._serves = True


class Step(beam.DoFn):
    """A stage of the graph: everything that it shares with the others is its process's worker."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def setup(self) -> None:
        """Find this process's worker: a stage travels between processes without it."""
        self.worker = worker_of(self._ports)


_WORKERS: dict[str, Worker] = {}
_WORKERS_LOCK = threading.Lock()


def worker_of(ports: Ports) -> Worker:
    """Return this process's worker of a run, made at first use."""
    with _WORKERS_LOCK:
        worker = _WORKERS.get(ports.run_id)
        if worker is None:
            worker = _WORKERS[ports.run_id] = Worker(ports)
        return worker


def dismiss(worker: Worker) -> None:
    """Close a worker and forget it: its run has ended in this process."""
    with _WORKERS_LOCK:
        _WORKERS.pop(worker.ports.run_id, None)
    worker.close()
