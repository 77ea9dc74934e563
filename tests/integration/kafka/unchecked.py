"""`telemetry run` on a lake that does not compare positions: python -m ... FOLDER."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from pipeline.cli.declared import load_settings
from pipeline.cli.wiring.ports import make_ports
from pipeline.flow.runners.run import run
from pipeline.flow.runners.run_options import RunOptions
from tests.integration.crashing import UncheckedLake


def main(folder: Path) -> None:
    """Run until the process is killed."""
    settings = load_settings(folder / "telemetry.toml", {}, {})
    ports = make_ports(settings, fixed_now=None)
    lake = partial(UncheckedLake, str(folder / "lake"), state=folder / "state")
    run(replace(ports, lake=lake), RunOptions())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
