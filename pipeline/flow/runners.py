"""Run the graph: here in this process, in several processes, or on another Beam runner."""

from __future__ import annotations

from pipeline.flow.beam_import import import_beam
from pipeline.flow.options import EMBEDDED, RunOptions
from pipeline.flow.ports import Ports
from pipeline.flow.report import Summary
from pipeline.flow.signals import stop_on_signals
from pipeline.flow.supervisor import supervise
from pipeline.flow.words import words_for


def run(ports: Ports, options: RunOptions) -> Summary:
    """Run until the input ends (`ports.pace.to_end`) or a signal stops it; return the account.

    SIGTERM and SIGINT flush what is there, commit it and end the run; `Summary.exit_code` says
    which code to leave with. Call it in the main thread. Raises `TelemetryError`. Beam is
    imported only in the processes that run a graph.
    """
    words = words_for(
        options.runner, options.workers, options.beam_options, to_end=ports.pace.to_end
    )
    with stop_on_signals() as stop:
        if options.runner == EMBEDDED and options.workers > 1:
            return supervise(ports, options, stop)
        import_beam()
        if options.runner == EMBEDDED:
            from pipeline.flow.embedded import run_here

            return run_here(ports, stop, on_commit=options.on_commit)
        from pipeline.flow.elsewhere import run_elsewhere

        return run_elsewhere(ports, options, words, stop)
