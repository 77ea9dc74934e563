"""The metrics endpoint of a process: on the loopback interface, when asked for."""

from __future__ import annotations

from pipeline.errors import EnvironmentProblem
from pipeline.metrics import Metrics


def serve(metrics: Metrics, port: int | None) -> None:
    """Serve metrics from a thread of this process, unless `port` is None.

    Raises `EnvironmentProblem` if the port is taken.
    """
    if port is None:
        return
    try:
        metrics.serve(port)
    except OSError:
        raise EnvironmentProblem(
            "metrics cannot be served",
            where=f"port {port} of the loopback interface",
            why="another process has it",
            remedy="Name a free port with --metrics-port, or leave it out.",
        ) from None
