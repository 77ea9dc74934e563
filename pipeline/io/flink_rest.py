"""Flink's own interface, for what Beam cannot do: notice early that it is down, end a job reliably.

Beam's job server forgets a job that is cancelled through it, while the cluster keeps running it.
So the client looks up the job by name at the JobManager's REST address and cancels it there.
"""

from __future__ import annotations

import time
import urllib.request
from typing import Any

from pipeline.errors import EnvironmentProblem
from pipeline.parsing import parse_json

ENDED = ("CANCELED", "FAILED", "FINISHED")
REQUEST_SECONDS = 10
PATIENCE_SECONDS = 60.0
START_SECONDS = 10.0


def require_flink(master: str, *, patience: float = START_SECONDS) -> None:
    """Raise `EnvironmentProblem` unless Flink's JobManager answers at `master`.

    A JobManager that is just starting gets `patience` seconds.
    """
    base = _base(master)
    deadline = time.monotonic() + patience
    while True:
        try:
            _ask(f"{base}/jobs/overview")
            return
        except (OSError, ValueError):
            if time.monotonic() > deadline:
                break
        time.sleep(0.5)
    raise EnvironmentProblem(
        "Flink does not answer",
        where=base,
        remedy="Check --flink_master=HOST:PORT, the JobManager's REST address, and that it is up",
    )


def cancel_jobs(master: str, name: str, *, patience: float = PATIENCE_SECONDS) -> int:
    """Cancel every job called `name`, wait until none is left, and return how many there were.

    `master` is `HOST:PORT` of the JobManager's REST interface, with or without `http://`. Raises
    `EnvironmentProblem` if it cannot be reached, or a job does not end within `patience` seconds.
    """
    base = _base(master)
    deadline = time.monotonic() + patience
    seen: set[str] = set()
    problem = "does not answer"
    while True:
        try:
            alive = [
                job["jid"]
                for job in _ask(f"{base}/jobs/overview")["jobs"]
                if job["name"] == name and job["state"] not in ENDED
            ]
            if not alive:
                return len(seen)
            for job in alive:
                _ask(f"{base}/jobs/{job}?mode=cancel", "PATCH")
            seen.update(alive)
            problem = "does not end it"
        except (OSError, ValueError, KeyError):
            # A JobManager that is restarting answers later, and then knows its jobs again.
            pass
        if time.monotonic() > deadline:
            raise EnvironmentProblem(
                f"it is not certain that the job {name} has ended",
                where=base,
                why=f"Flink {problem}",
                remedy="Cancel it there. A job that runs on loses and duplicates nothing, it only "
                "continues to read",
            )
        time.sleep(0.5)


def _base(master: str) -> str:
    return master if "://" in master else f"http://{master}"


def _ask(url: str, method: str = "GET") -> Any:
    if not url.startswith(("http://", "https://")):
        raise ValueError("the address is neither http nor https")
    request = urllib.request.Request(url, method=method)  # noqa: S310  # checked above
    with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:  # noqa: S310
        return parse_json(answer.read() or b"{}")
