"""Run the graph: here in this process, in several processes, or on another Beam runner."""

from __future__ import annotations

from pipeline.flow.beam_import import import_beam
from pipeline.flow.options import EMBEDDED, RunOptions
from pipeline.flow.ports import Ports
from pipeline.flow.report import Summary
from pipeline.flow.supervisor import supervise


def run(ports: Ports, options: RunOptions) -> Summary:
    """Run until the input ends (`ports.pace.to_end`) or a signal stops it; return the account.

    SIGTERM and SIGINT flush what is there, commit it and end the run; `Summary.exit_code` says
    which code to leave with. Call it in the main thread. Raises `TelemetryError`. Beam is
    imported only in the processes that run a graph.
    """
    if options.runner == EMBEDDED and options.workers > 1:
        return supervise(ports, options)
    import_beam()
    if options.runner != EMBEDDED:
        from pipeline.flow.elsewhere import run_elsewhere

        return run_elsewhere(ports, options)
    from pipeline.flow.embedded import run_here
    from pipeline.flow.worker import worker_of

    worker_of(ports).on_commit = options.on_commit
    return run_here(ports, options.metrics_port)
