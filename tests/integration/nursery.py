"""Processes to be killed: everything is imported once, and each run is a fork.

`python -m tests.integration.nursery` reads commands from standard input: a path of a pickled
`Run` starts it and answers its process id, `wait PID` answers its exit code. Nothing is opened
before the fork, so a fork starts as a new process would, without the second that imports take.
"""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import TelemetryError
from pipeline.flow.ports import Ports
from pipeline.flow.runners.beam_import import import_beam
from pipeline.flow.runners.signals import stop_on_signals
from tests.integration.runs import schemas


def nothing() -> None:
    """Change nothing in a fork."""


@dataclass(frozen=True)
class Run:
    """What a fork does, and what it does to itself before."""

    ports: Ports
    before: Callable[[], None] = nothing


@dataclass(frozen=True)
class Done:
    """How a fork ended."""

    code: int
    summary: dict[str, Any]
    error: TelemetryError | None


@dataclass
class Nursery:
    """Starts runs; the caller waits for them or kills them."""

    process: subprocess.Popen[bytes]
    folder: Path
    count: int = 0

    def start(self, ports: Ports, before: Callable[[], None] = nothing) -> int:
        """Start a run and return its process id."""
        self.count += 1
        path = self.folder / f"run-{self.count}"
        path.write_bytes(pickle.dumps(Run(ports, before)))
        return self._ask(str(path))

    def wait(self, pid: int) -> int:
        """Wait for a run's end; its exit code, or minus the signal that ended it."""
        return self._ask(f"wait {pid}")

    def run(self, ports: Ports, before: Callable[[], None] = nothing) -> Done:
        """Run to the end."""
        code = self.wait(self.start(ports, before))
        path = self.folder / f"run-{self.count}.done"
        return Done(code, *pickle.loads(path.read_bytes()))

    def _ask(self, words: str) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{words}\n".encode())
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextmanager
def nursery(folder: Path) -> Iterator[Nursery]:
    """A nursery that keeps its files in `folder`."""
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.nursery"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Nursery(process, folder)
    finally:
        process.communicate()


def _run(path: Path) -> int:
    from pipeline.flow.runners.embedded import run_here

    run: Run = pickle.loads(path.read_bytes())
    run.before()
    told: tuple[dict[str, Any], TelemetryError | None]
    try:
        with stop_on_signals() as stop:
            summary = run_here(run.ports, stop)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        more = {"unread_bytes": summary.unread_bytes, "peak_mib": peak}
        told = {**summary.as_dict(), **more}, None
        code = summary.exit_code
    except TelemetryError as error:
        told, code = ({}, error), error.exit_code
    path.with_suffix(".done").write_bytes(pickle.dumps(told))
    return code


def main() -> None:
    """Serve until standard input ends."""
    import_beam()
    import pipeline.flow.runners.embedded  # noqa: F401  for the forks

    schemas()
    for line in sys.stdin:
        word = line.strip()
        if word.startswith("wait "):
            _, status = os.waitpid(int(word.split()[1]), 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.dup2(2, 1)
                code = _run(Path(word))
            except BaseException:  # a fork must not go on in the loop of its parent
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
