"""The program `telemetry`, and what `python -m pipeline.cli` does."""

import sys

from pipeline.cli.main import main
from pipeline.lean import leave_out


def program() -> int:
    """Run one command in a process of its own and return the exit code."""
    leave_out("pandas")
    return main()


if __name__ == "__main__":
    sys.exit(program())
