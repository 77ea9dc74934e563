"""A real S3 gateway over a local folder, for tests: versitygw, one process, no containers.

It is built once with Go into the user's cache folder (`$XDG_CACHE_HOME/telemetry-pipeline/s3`);
`TELEMETRY_VERSITYGW` names another binary.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.integration.services.fetching import built_by_go
from tests.integration.services.ports import free_port, wait_for_port

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
    return built_by_go(_cached(), _MODULE)


class Gateway:
    """A gateway over one folder, to be killed and started again, as a network comes and goes."""

    def __init__(self, folder: Path) -> None:
        self.port, data = free_port(), folder / "s3"
        versions = folder / "versions"
        (data / "lake").mkdir(parents=True)
        versions.mkdir()
        options = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": _ACCESS,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "conditional_put": "etag",
        }
        self.bucket = Bucket("s3://lake/telemetry", data / "lake", options)
        where = ["--port", f"127.0.0.1:{self.port}", "--quiet"]
        # Old versions are kept only in buckets that ask for it, by `s3_api.keep_versions`.
        self._words = [*where, "posix", "--versioning-dir", str(versions), str(data)]
        self._log = folder / "gateway.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        environment = {**os.environ, "ROOT_ACCESS_KEY": _ACCESS, "ROOT_SECRET_KEY": _SECRET}
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [str(binary()), *self._words], env=environment, stdout=log, stderr=log
            )
        wait_for_port(self.port, self._process)

    def kill(self) -> None:
        """End it without a last word; what it was being sent is cut off."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def gateway(folder: Path) -> Iterator[Gateway]:
    """Run a gateway over `folder`."""
    started = Gateway(folder)
    try:
        started.start()
        yield started
    finally:
        started.kill()


@contextlib.contextmanager
def bucket(folder: Path) -> Iterator[Bucket]:
    """Run a gateway over `folder` and yield its one bucket."""
    with gateway(folder) as started:
        yield started.bucket
