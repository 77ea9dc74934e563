"""A worker process, started by its supervisor alone.

The command is `python -m pipeline.flow.runners.worker_process`.

Standard input brings the job and stays open; when it ends, the supervisor is gone, and the worker
commits the slice under way and exits. Standard output carries lines of `worker_pipe`; whatever
else would be printed there goes to standard error.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from pipeline.errors import TelemetryError
from pipeline.flow.runners.beam_import import import_beam
from pipeline.flow.runners.signals import stop_on_signals
from pipeline.flow.runners.worker_pipe import End, receive_job, send_end, send_tally
from pipeline.lean import leave_out

LEAVE_SECONDS = 30.0
"""A worker without a supervisor that has not finished its slice by then exits without it."""


def main() -> int:
    """Run one worker; return its exit code."""
    leave_out("pandas")
    up = os.dup(1)
    os.dup2(2, 1)
    with stop_on_signals() as stop:
        job = receive_job(sys.stdin.buffer)
        threading.Thread(target=_leave_with_supervisor, daemon=True).start()
        job.prepare()
        import_beam(whole=False)
        from pipeline.flow.runners.embedded import run_here

        try:
            summary = run_here(
                job.ports,
                stop,
                on_commit=lambda tally: send_tally(up, tally),
            )
        except TelemetryError as error:
            send_end(up, End(error=error))
            return error.exit_code
    send_end(up, End(summary))
    return 0


def _leave_with_supervisor() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(LEAVE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
