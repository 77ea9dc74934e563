"""Start one command on given cores and say what it used, as the last line of standard error.

Called by `benchmarks.harness`: `python -m benchmarks.probe CORES COMMAND...`. It imports next to
nothing, so that its own memory does not count towards the command's peak.
"""

import json
import os
import resource
import subprocess
import sys


def main() -> int:
    """Run the command, print its CPU seconds and peak memory, pass on its exit code."""
    cores = {int(core) for core in sys.argv[1].split(",")}
    os.sched_setaffinity(0, cores & os.sched_getaffinity(0) or os.sched_getaffinity(0))
    code = subprocess.run(sys.argv[2:], check=False).returncode
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = {"cpu": used.ru_utime + used.ru_stime, "peak_kib": used.ru_maxrss}
    print(f"\n{json.dumps(words)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
