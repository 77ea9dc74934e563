"""Run the graph: here in this process, in several processes, or on another Beam runner."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.flow.ports import Ports
from pipeline.flow.runners.beam_import import import_beam
from pipeline.flow.runners.beam_options import check_known, words_for
from pipeline.flow.runners.run_options import EMBEDDED, RunOptions
from pipeline.flow.runners.signals import stop_on_signals
from pipeline.flow.runners.supervisor import supervise
from pipeline.flow.summary import Summary


def run(ports: Ports, options: RunOptions) -> Summary:
    """Run until the input ends (`ports.pace.to_end`) or a signal stops it; return the account.

    SIGTERM and SIGINT flush what is there, commit it and end the run; `Summary.exit_code` says
    which code to leave with. Call it in the main thread. Raises `TelemetryError`. Beam is
    imported only in the processes that run a graph.
    """
    words = checked_words(
        options.runner, options.workers, options.beam_options, to_end=ports.pace.to_end
    )
    with stop_on_signals(options.on_stop) as stop:
        if options.runner == EMBEDDED and options.workers > 1:
            return supervise(ports, options, stop)
        import_beam(whole=options.runner != EMBEDDED)
        if options.runner == EMBEDDED:
            from pipeline.flow.runners.embedded import run_here

            return run_here(ports, stop, on_commit=options.on_commit)
        from pipeline.flow.runners.remote import run_elsewhere

        return run_elsewhere(ports, options, words, stop)


def checked_words(
    runner: str, workers: int, given: Sequence[str], *, to_end: bool = False
) -> list[str]:
    """Return all options for Beam, as `words_for` does; a misspelt one is refused first.

    Raises `UsageError`. Beam is imported where another runner was given options.
    """
    if runner != EMBEDDED and given:
        import_beam()
        from pipeline.flow.runners.remote import beams_options

        check_known(given, beams_options())
    return words_for(runner, workers, given, to_end=to_end)
