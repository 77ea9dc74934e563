"""Run the graph: here in this process, in several processes, or on another Beam runner."""

from __future__ import annotations

from pipeline.flow.options import RunOptions
from pipeline.flow.ports import Ports
from pipeline.flow.report import Summary


def run(ports: Ports, options: RunOptions) -> Summary:
    """Run until the input ends (`ports.pace.to_end`) or a signal stops it; return the account.

    SIGTERM and SIGINT flush what is there, commit it and end the run; `Summary.exit_code` says
    which code to leave with. Call it in the main thread. Raises `TelemetryError`.
    """
    raise NotImplementedError
