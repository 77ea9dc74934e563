"""A real S3 gateway over a local folder, for tests: versitygw, one process, no containers.

It is built once with Go into the user's cache folder (`$XDG_CACHE_HOME/telemetry-pipeline/s3`);
`TELEMETRY_VERSITYGW` names another binary.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.integration.services.ports import free_port

VERSION = "v1.8.0"
_MODULE = f"github.com/versity/versitygw/cmd/versitygw@{VERSION}"
_ACCESS, _SECRET = "testing", "testing-secret"


@dataclass(frozen=True)
class Bucket:
    """An empty bucket, and the folder that it lies in."""

    url: str
    folder: Path
    options: dict[str, str]


def missing() -> str | None:
    """Say what is missing to start a gateway here, or None."""
    if os.environ.get("TELEMETRY_VERSITYGW") or _cached().exists() or shutil.which("go"):
        return None
    return "needs Go, or TELEMETRY_VERSITYGW=<the versitygw binary>"


def _cached() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "telemetry-pipeline" / "s3" / VERSION / "versitygw"


def binary() -> Path:
    """The gateway, built at first use."""
    named = os.environ.get("TELEMETRY_VERSITYGW")
    if named:
        return Path(named)
    path = _cached()
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            environment = {**os.environ, "GOBIN": str(path.parent)}
            subprocess.run(["go", "install", _MODULE], env=environment, check=True, timeout=900)
    return path


@contextlib.contextmanager
def bucket(folder: Path) -> Iterator[Bucket]:
    """Run a gateway over `folder` and yield its one bucket."""
    data = folder / "s3"
    (data / "lake").mkdir(parents=True)
    port = free_port()
    environment = {**os.environ, "ROOT_ACCESS_KEY": _ACCESS, "ROOT_SECRET_KEY": _SECRET}
    command = [str(binary()), "--port", f"127.0.0.1:{port}", "--quiet", "posix", str(data)]
    with (folder / "gateway.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _wait_for(port, process)
            options = {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ALLOW_HTTP": "true",
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": _ACCESS,
                "AWS_SECRET_ACCESS_KEY": _SECRET,
                "conditional_put": "etag",
            }
            yield Bucket("s3://lake/telemetry", data / "lake", options)
        finally:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError("the S3 gateway did not start; see gateway.log")
