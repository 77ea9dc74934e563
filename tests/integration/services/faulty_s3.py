"""An S3 that misbehaves on request: moto's server behind a wrapper that knows some faults.

Run as a process (`python -m tests.integration.services.faulty_s3 PORT`); rules are put to
`/_faults` as JSON and asked from there with how often each has struck. A rule is for a method (LIST
is a GET of a bucket) and a pattern of path and query, and strikes `times` times, or always with -1,
each time with `chance`. What it does:

    503 429 500 403    answer so, and do nothing
    cut                close the connection, and do nothing
    slow               wait `seconds`, then do as asked
    lost               do as asked, then answer 503: the answer is lost, the work is done
    lost_cut           do as asked, then close the connection
    late               answer 503, and do as asked `seconds` later
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from tests.integration.services.ports import free_port, wait_for_port

ROOT = Path(__file__).parents[3]
LOG_ENTRY = r"_delta_log/\d{20}\.json$"
"""Paths of log entries."""


@dataclass
class Rule:
    """One fault."""

    method: str
    pattern: str
    fault: str
    times: int = 1
    chance: float = 1.0
    seconds: float = 0.5
    struck: int = 0


@dataclass(frozen=True)
class FaultyS3:
    """A running server with one bucket."""

    port: int
    url: str
    options: dict[str, str] = field(repr=False)

    def fail(self, *rules: Rule) -> None:
        """Let these rules hold from now on, and no others."""
        body = json.dumps([vars(rule) for rule in rules]).encode()
        self._ask(body)

    def struck(self) -> list[int]:
        """How often each rule has struck."""
        return [rule["struck"] for rule in json.loads(self._ask(None))]

    def at(self, prefix: str) -> str:
        """A lake of its own in the bucket."""
        return f"{self.url}/{prefix}"

    def _ask(self, body: bytes | None) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/_faults", data=body)
        with urllib.request.urlopen(request, timeout=60) as answer:
            content: bytes = answer.read()
            return content


@contextlib.contextmanager
def faulty_s3(folder: Path) -> Iterator[FaultyS3]:
    """Run a server."""
    port = free_port()
    with (folder / "moto.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(port)], cwd=ROOT, stdout=log, stderr=log
        )
    try:
        wait_for_port(port, process)
        request = urllib.request.Request(f"http://127.0.0.1:{port}/lake", method="PUT")
        urllib.request.urlopen(request, timeout=60).close()
        yield FaultyS3(port, "s3://lake", options(port))
    finally:
        process.kill()
        process.wait()


def options(port: int) -> dict[str, str]:
    """What delta-rs is told of the server: it tries again soon, and gives up soon."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "conditional_put": "etag",
        "max_retries": "3",
        "retry_timeout": "20s",
        "timeout": "10s",
        "backoff_config.init_backoff": "20ms",
        "backoff_config.max_backoff": "100ms",
    }


class Wrapper:
    """The wrapper around moto's application."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._random = random.Random(7)

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/_faults":
            return self._control(environ, start)
        rule = self._strike(environ)
        if rule is None:
            return self._app(environ, start)
        if rule.fault.isdigit():
            return _answer(start, int(rule.fault))
        if rule.fault == "cut":
            return _cut(environ)
        if rule.fault == "slow":
            time.sleep(rule.seconds)
            return self._app(environ, start)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        again = {**environ, "wsgi.input": BytesIO(environ["wsgi.input"].read(length))}
        if rule.fault == "late":
            threading.Timer(rule.seconds, self._do, [again]).start()
            return _answer(start, 503)
        self._do(again)
        return _cut(environ) if rule.fault == "lost_cut" else _answer(start, 503)

    def _do(self, environ: dict[str, Any]) -> None:
        list(self._app(environ, lambda *_: lambda _: None))

    def _strike(self, environ: Mapping[str, Any]) -> Rule | None:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if method == "GET" and "list-type" in environ.get("QUERY_STRING", ""):
            method = "LIST"
        if environ.get("QUERY_STRING"):
            path += f"?{environ['QUERY_STRING']}"
        with self._lock:
            for rule in self._rules:
                if rule.method != method or not re.search(rule.pattern, path):
                    continue
                if rule.times != 0 and self._random.random() < rule.chance:
                    rule.times -= 1
                    rule.struck += 1
                    return rule
        return None

    def _control(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        with self._lock:
            if environ["REQUEST_METHOD"] == "POST":
                body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
                self._rules = [Rule(**item) for item in json.loads(body)]
            told = json.dumps([vars(rule) for rule in self._rules]).encode()
        start("200 OK", [("Content-Type", "application/json")])
        return [told]


def _answer(start: Any, code: int) -> Iterable[bytes]:
    body = b"<Error><Code>Fault</Code></Error>"
    start(f"{code} Fault", [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))])
    return [body]


def _cut(environ: Mapping[str, Any]) -> Iterable[bytes]:
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError


def main(port: int) -> None:
    """Serve until somebody ends the process."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import run_simple

    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    app = Wrapper(DomainDispatcherApplication(create_backend_app))
    run_simple("127.0.0.1", port, app, threaded=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
