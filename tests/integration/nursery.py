"""Processes to be killed: everything is imported once here, and each run is a fork of it.

`python tests/integration/nursery.py`; each line of standard input names a pickled `Ports`, each
line of standard output is the id of the process that runs it. Nothing is opened before the fork,
so a fork starts as a new process would, without the second that imports take.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import TelemetryError
from pipeline.flow.beam_import import import_beam
from pipeline.flow.ports import Ports
from pipeline.flow.signals import stop_on_signals
from tests.integration.runs import schemas


@dataclass
class Nursery:
    """Starts runs; the caller waits for them or kills them."""

    process: subprocess.Popen[bytes]
    folder: Path
    count: int = 0

    def start(self, ports: Ports) -> int:
        """Start a run and return its process id."""
        self.count += 1
        path = self.folder / f"ports-{self.count}"
        path.write_bytes(pickle.dumps(ports))
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{path}\n".encode())
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def wait(self, pid: int) -> int:
        """Wait for a run's end; its exit code, or minus the signal that ended it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"wait {pid}\n".encode())
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextmanager
def nursery(folder: Path) -> Iterator[Nursery]:
    """A nursery that keeps its files in `folder`."""
    folder.mkdir(exist_ok=True)
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.nursery"],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Nursery(process, folder)
    finally:
        process.communicate()


def _run(path: str) -> int:
    from pipeline.flow.embedded import run_here

    ports = pickle.loads(Path(path).read_bytes())
    try:
        with stop_on_signals() as stop:
            run_here(ports, stop)
    except TelemetryError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def main() -> None:
    """Serve until standard input ends."""
    import_beam()
    import pipeline.flow.embedded  # noqa: F401  for the forks

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
                code = _run(word)
            except BaseException:  # a fork must not go on in the loop of its parent
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
