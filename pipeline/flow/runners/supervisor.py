"""Several worker processes on one machine, kept alive and counted by this one.

Workers share nothing but the lake and the claims on files. One that dies is started again, after
a pause that doubles; one that ends with an error that no restart cures ends the run, with that
message and exit code (`TelemetryError.cures_by_restart`). Workers die with the supervisor, and are
in process groups of their own, so that Ctrl-C reaches them once, from here.
"""

from __future__ import annotations

import logging
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import IO

from pipeline import metrics as declared
from pipeline.errors import TelemetryError
from pipeline.flow.metrics_endpoint import serve
from pipeline.flow.otlp import export
from pipeline.flow.ports import Ports, Seat
from pipeline.flow.runners.log_account import LogAccount
from pipeline.flow.runners.run_options import RunOptions
from pipeline.flow.runners.signals import Stop
from pipeline.flow.runners.worker_pipe import End, Job, parse_line, send_job
from pipeline.flow.summary import Summary, Tally
from pipeline.metrics import Metrics

LOG = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0
MAX_FAILURES = 6
"""A worker that ends this often without a commit in between is given up, and the run with it."""
STOP_SECONDS = 60.0
"""Workers that have not stopped by then are killed; the lake knows where they were."""
LOOK_SECONDS = 600.0
"""How often the account is read: the log forgets commits after two days."""
_TICK_SECONDS = 0.2


@dataclass(slots=True)
class _Seat:
    """One worker's place: its process, or the pause before the next one."""

    job: Job
    process: subprocess.Popen[bytes] | None = None
    rest: bytes = b""
    end: End | None = None
    failures: int = 0
    due: float = 0.0
    done: bool = False


@dataclass(slots=True)
class _Run:
    """What all workers together have done so far."""

    on_commit: Callable[[Tally], None]
    account: LogAccount
    tally: Tally = field(default_factory=Tally)
    """What the workers have reported; one that dies cannot report its last commit."""
    conflicts: int = 0
    restarts: int = 0
    unread_bytes: int = 0
    failure: TelemetryError | None = None
    stopping_since: float | None = None


def supervise(ports: Ports, options: RunOptions, stop: Stop) -> Summary:
    """Run `options.workers` processes; see `flow.runners.run`."""
    began = time.monotonic()
    metrics = Metrics()
    metrics.ready = True  # to start workers; their own ports tell whether they can read
    serve(metrics, ports.metrics)
    sent = export(ports.collector, metrics, f"{ports.run_id}/supervisor")
    seats = [_Seat(_job(ports, options, index)) for index in range(options.workers)]
    run = _Run(options.on_commit, LogAccount(ports))
    # What cannot be read now is reported by the workers, which need it as well.
    with suppress(TelemetryError):
        run.account.begin()
    looked = began
    with selectors.DefaultSelector() as selector:
        try:
            while not all(seat.done for seat in seats):
                _pass_on_stop(seats, run, stop)
                _start_due(seats, run, selector)
                if time.monotonic() - looked > LOOK_SECONDS:
                    looked = time.monotonic()
                    with suppress(TelemetryError):
                        run.account.read()
                for key, _ in selector.select(_TICK_SECONDS):
                    _listen(key.data, key.fd, run, selector, metrics)
        finally:
            for seat in seats:
                if seat.process is not None:
                    seat.process.kill()
                    seat.process.wait()
            if sent is not None:
                sent.close()
    if run.failure is not None:
        raise run.failure
    return Summary(
        _accounted(run),
        time.monotonic() - began,
        run.conflicts,
        run.restarts,
        run.unread_bytes,
        stop.signal,
    )


def _accounted(run: _Run) -> Tally:
    """Return the account as the log has it, or as the workers gave it if that cannot be read."""
    try:
        return run.account.read()
    except TelemetryError as error:
        LOG.warning("the account is the workers', and may be short: %s", error)
        return run.tally


def _job(ports: Ports, options: RunOptions, index: int) -> Job:
    own = None if ports.metrics is None else ports.metrics.worker(index)
    return Job(replace(ports, seat=Seat(index, options.workers), metrics=own), options.prepare)


def _start_due(seats: list[_Seat], run: _Run, selector: selectors.BaseSelector) -> None:
    for seat in seats:
        if seat.process is not None or seat.done:
            continue
        if run.stopping_since is not None:
            seat.done = True
        elif time.monotonic() >= seat.due:
            _start(seat, selector)


def _start(seat: _Seat, selector: selectors.BaseSelector) -> None:
    seat.end, seat.rest = None, b""
    seat.process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.flow.runners.worker_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    selector.register(_pipe(seat.process.stdout), selectors.EVENT_READ, seat)
    try:
        send_job(_pipe(seat.process.stdin), seat.job)
    except BrokenPipeError:
        LOG.warning("worker %s ended at once", seat.job.ports.seat.index)


def _listen(
    seat: _Seat, handle: int, run: _Run, selector: selectors.BaseSelector, metrics: Metrics
) -> None:
    assert seat.process is not None
    stdout = _pipe(seat.process.stdout)
    block = stdout.read1(1 << 16)  # type: ignore[attr-defined]  # a pipe's file is buffered
    if not block:
        selector.unregister(handle)
        _ended(seat, run, metrics)
        return
    *lines, seat.rest = (seat.rest + block).split(b"\n")
    for line in lines:
        said = parse_line(line)
        if isinstance(said, Tally):
            run.tally += said
            run.on_commit(said)
            seat.failures = 0
        else:
            seat.end = said


def _ended(seat: _Seat, run: _Run, metrics: Metrics) -> None:
    """Decide what a worker's end means: done, start again, or the end of the run."""
    assert seat.process is not None
    code = seat.process.wait()
    for pipe in (seat.process.stdin, seat.process.stdout):
        _pipe(pipe).close()
    seat.process = None
    end = seat.end or End()
    if end.summary is not None:
        run.conflicts += end.summary.conflicts or 0
        run.unread_bytes += end.summary.unread_bytes or 0
    stopped = end.summary is not None and end.summary.stopped_by is not None
    seat.done = run.stopping_since is not None or (code == 0 and not stopped)
    final = end.error is not None and not end.error.cures_by_restart
    if final or (code and seat.failures + 1 >= MAX_FAILURES):
        seat.done = True
        run.failure = run.failure or end.error or _gave_up(seat, code)
    elif code and run.stopping_since is not None:
        run.failure = run.failure or end.error
    if not seat.done:
        seat.failures += 1
        pause = FIRST_PAUSE_SECONDS * 2 ** (seat.failures - 1)
        seat.due = time.monotonic() + min(pause, LONGEST_PAUSE_SECONDS)
        run.restarts += 1
        metrics.count(declared.RESTARTS, 1)
        index = seat.job.ports.seat.index
        LOG.warning("worker %s ended with %s and is restarted", index, code)


def _pass_on_stop(seats: list[_Seat], run: _Run, stop: Stop) -> None:
    """Stop all workers after a signal or a failure that no restart would cure."""
    if run.stopping_since is None:
        if stop.signal is None and run.failure is None:
            return
        run.stopping_since = time.monotonic()
        for seat in seats:
            if seat.process is not None:
                seat.process.send_signal(signal.SIGTERM)
    elif time.monotonic() - run.stopping_since > STOP_SECONDS:
        for seat in seats:
            if seat.process is not None:
                seat.process.kill()


def _gave_up(seat: _Seat, code: int) -> TelemetryError:
    """Return what to raise for a worker that could not say itself why it ended."""
    index = seat.job.ports.seat.index
    times = seat.failures + 1
    return TelemetryError(
        "a worker keeps dying" if times > 1 else "a worker has died",
        where=f"worker {index}",
        why=f"signal {-code} ended it" if code < 0 else f"it ended with {code}",
        remedy=f"It was started {times} times without a commit in between. What is committed is "
        "sound. Look at what the workers have logged, and at the machine's memory.",
    )


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
