"""A real schema registry for tests: Apicurio, one Java process that keeps schemas in memory.

It comes from Maven once and stays in the user's cache folder
(`$XDG_CACHE_HOME/telemetry-pipeline/apicurio`); `TELEMETRY_APICURIO` names another folder of it.
This release is the last one that Java 17 runs.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.conftest import CACHE
from tests.integration.services.fetching import alone_in
from tests.integration.services.kafka import die_with_parent
from tests.integration.services.ports import free_port

VERSION = "2.6.13.Final"
_ARTIFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
_CONTENT = "application/vnd.schemaregistry.v1+json"


def missing() -> str | None:
    """Say what is missing to start a registry here, or None."""
    if shutil.which("java") is None:
        return "needs Java 17 on the PATH"
    if os.environ.get("TELEMETRY_APICURIO") or _cached().is_dir() or shutil.which("mvn"):
        return None
    return "needs Maven, or TELEMETRY_APICURIO=<folder of an unpacked Apicurio Registry>"


def _cached() -> Path:
    return CACHE / "apicurio" / VERSION


def program() -> Path:
    """The folder of the registry, fetched at first use."""
    named = os.environ.get("TELEMETRY_APICURIO")
    if named:
        return Path(named)
    cached = _cached()
    with alone_in(cached.parent):
        if not cached.is_dir():
            part = cached.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            command = ["mvn", "-q", "-B", "dependency:unpack", f"-Dartifact={_ARTIFACT}"]
            subprocess.run(
                [*command, f"-DoutputDirectory={part}"], cwd=cached.parent, check=True, timeout=900
            )
            part.rename(cached)
    return cached


class Registry:
    """One registry process on the loopback address."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/apis/ccompat/v7"
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Registry:
        home = program()
        java = ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        java += [f"-Dquarkus.http.port={self.port}", "-Dquarkus.http.host=127.0.0.1"]
        java += ["-cp", f"{home}/*:{home}/lib/*", "io.quarkus.runner.GeneratedMain"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                java, cwd=home, stdout=log, stderr=log, preexec_fn=die_with_parent
            )
        deadline = time.monotonic() + 180
        while True:
            try:
                self._ask("/subjects")
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    raise RuntimeError(f"the registry does not start: see {self._log}") from None
            time.sleep(0.3)

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)

    def freeze(self) -> None:
        """Stop the process without ending it: it takes connections and does not answer."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def register(self, subject: str, schema: str, **more: Any) -> int:
        """Add a version of a subject; gives its schema's number."""
        found: int = self._ask(f"/subjects/{subject}/versions", {"schema": schema, **more})["id"]
        return found

    def _ask(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}{path}", data=data, headers={"Content-Type": _CONTENT}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())
