"""The daily chain of an installation, for an orchestrator: seal, rollup, plan an expiry, audit.

Every step is one command and can be repeated: what is done already is not done again. An expiry is
only planned here; somebody looks at the plan and applies it by its hash. Put this file beside the
DAG or the job that imports it; nothing but the command `telemetry` has to be installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

STEPS = (
    ("seal", ("seal",)),
    ("rollup", ("rollup",)),
    ("expire_plan", ("expire",)),
    ("audit", ("audit",)),
)
"""Names of the steps in their order, each with the words of its command."""

KEPT = ("hash", "files", "rows", "bytes", "written", "broken")
"""What a step hands on of a command's document: names and numbers, a few bytes."""

FAILED = 1
"""The exit code of a failure that another try may mend: a lake, a store or a source. 2 is invalid
usage, 3 settings or machine, 4 a closed privacy gate: another try ends in the same way."""


class StepFailed(Exception):
    """A command failed; `again` says whether another try may succeed."""

    def __init__(self, text: str, *, again: bool) -> None:
        super().__init__(text)
        self.again = again


def run_step(name: str) -> dict[str, object]:
    """Run one step, and return the numbers of what it did. Raises StepFailed.

    TELEMETRY_CONFIG names the settings, TELEMETRY_COMMAND the command if it is not on the path.
    """
    words = [os.environ.get("TELEMETRY_COMMAND", "telemetry"), *dict(STEPS)[name], "--json"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        raise StepFailed(f"telemetry cannot be started: {error.strerror}", again=False) from None
    sys.stderr.write(done.stderr)
    if done.returncode:
        told = f"telemetry {words[1]} ended with exit code {done.returncode}"
        # A broken promise is not mended by asking again.
        raise StepFailed(told, again=done.returncode == FAILED and name != "audit")
    document = json.loads(done.stdout)
    return {key: document[key] for key in KEPT if key in document}
