"""A worker process under a supervisor: `python -m pipeline.flow.child`, started by it alone.

Standard input brings the job and stays open; when it ends, the supervisor is gone, and the worker
commits what it has in hand and leaves. Standard output carries lines of `flow.wire`; whatever
else would be printed there goes to standard error.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from pipeline.errors import TelemetryError
from pipeline.flow.beam_import import import_beam
from pipeline.flow.signals import stop_on_signals
from pipeline.flow.wire import End, receive_job, send_end, send_tally

LEAVE_SECONDS = 30.0
"""A worker without supervisor that has not finished its slice by then leaves without it."""


def main() -> int:
    """Run one worker; return its exit code."""
    up = os.dup(1)
    os.dup2(2, 1)
    with stop_on_signals() as stop:
        job = receive_job(sys.stdin.buffer)
        threading.Thread(target=_leave_with_supervisor, daemon=True).start()
        job.prepare()
        import_beam()
        from pipeline.flow.embedded import run_here

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
