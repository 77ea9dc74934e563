"""What the Flex Template's launcher starts: its parameters as words of `telemetry run`.

The launcher passes every parameter as `--name=value`, ours and Beam's mixed. Ours go before the
`--`, the rest behind it; the runner and the streaming mode are set by `telemetry run` itself.
"""

from __future__ import annotations

import os
import sys

OURS = ("config", "workers", "lake", "flush-interval")
SET_BY_RUN = ("runner", "streaming")
CONFIG = "/etc/telemetry/telemetry.toml"


def words(arguments: list[str]) -> list[str]:
    """Return the command line that a template's parameters mean.

    >>> words(["--runner=DataflowRunner", "--workers=4", "--project=p"])[:4]
    ['run', '--runner=DataflowRunner', '--config=/etc/telemetry/telemetry.toml', '--workers=4']
    """
    ours, beams = [], []
    for word in arguments:
        name = word.removeprefix("--").partition("=")[0].replace("_", "-")
        if name in SET_BY_RUN:
            continue
        if name in OURS:
            ours.append(f"--{name}{word[word.index('=') :]}")
        else:
            beams.append(word)
    if not any(word.startswith("--config=") for word in ours):
        ours.insert(0, f"--config={CONFIG}")
    return ["run", "--runner=DataflowRunner", *ours, "--", *beams]


if __name__ == "__main__":
    os.execvp(sys.executable, [sys.executable, "-m", "pipeline.cli", *words(sys.argv[1:])])
