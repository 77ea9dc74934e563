"""Serving on the loopback interface: headers, refusals, building again, surviving a bad build."""

from __future__ import annotations

import gzip
import http.client
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from pipeline.dashboard.page import policy
from pipeline.dashboard.serve import SiteServer
from pipeline.dashboard.site import Published, Site, build
from pipeline.errors import EnvironmentProblem, LakeError
from tests.dashboards import NOW


@dataclass
class Rollups:
    """Publications that a test can change or break."""

    stamp: int = 0
    broken: bool = False
    reads: int = 0
    tables: dict[str, pa.Table] = field(default_factory=dict)

    def read(self) -> Published:
        self.reads += 1
        if self.broken:
            raise LakeError("A publication could not be read", remedy="Restore the file.")
        return Published(self.tables, {"runs": [{"number": self.stamp}]})


@pytest.fixture
def rollups() -> Rollups:
    return Rollups()


@pytest.fixture
def server(rollups: Rollups) -> Iterator[SiteServer]:
    site = Site(rollups.read, lambda: rollups.stamp, list, lambda: NOW)
    with SiteServer(site.files, 0) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def ask(
    server: SiteServer,
    path: str = "/",
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Mapping[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request(method, path, headers=dict(headers or {}))
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


def test_the_page_is_served_with_strict_headers(server: SiteServer) -> None:
    status, headers, body = ask(server)
    assert status == 200
    assert body.startswith(b"<!doctype html>")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")
    assert headers["Server"].strip() == "telemetry"


def test_it_listens_on_the_loopback_interface_alone(server: SiteServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/../index.html", "//index.html/..", "/metrics/", "/%2e%2e/x"]
)
def test_there_is_no_path_to_the_disk(server: SiteServer, path: str) -> None:
    assert ask(server, path)[0] == 404


def test_another_host_name_is_refused(server: SiteServer) -> None:
    assert ask(server, headers={"Host": "evil.example"})[0] == 421


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_sent(server: SiteServer, method: str) -> None:
    assert ask(server, method=method)[0] == 501


@pytest.mark.parametrize(
    ("path", "method", "host"),
    [("/nothing", "GET", None), ("/", "POST", None), ("/", "GET", "evil.example")],
)
def test_a_refusal_is_as_strict_as_the_page(
    server: SiteServer, path: str, method: str, host: str | None
) -> None:
    status, headers, _ = ask(server, path, method, {"Host": host} if host else None)
    assert status >= 400
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_browser_that_goes_away_leaves_no_trace(
    server: SiteServer, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            host = f"127.0.0.1:{server.server_port}"
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert ask(server)[0] == 200
    time.sleep(0.3)
    assert capfd.readouterr().err == ""


def test_head_has_the_headers_alone(server: SiteServer) -> None:
    status, headers, body = ask(server, method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 500_000


def test_the_page_is_compressed_when_asked(server: SiteServer) -> None:
    _, headers, body = ask(server, headers={"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body).startswith(b"<!doctype html>")


def test_it_is_built_again_when_the_rollups_change_and_only_then(
    server: SiteServer, rollups: Rollups
) -> None:
    ask(server), ask(server)
    assert rollups.reads == 1
    rollups.stamp = 7
    assert b'"number":7' in ask(server)[2]
    assert rollups.reads == 2


def test_a_build_that_fails_leaves_the_last_good_page(server: SiteServer, rollups: Rollups) -> None:
    ask(server)
    rollups.stamp, rollups.broken = 1, True
    status, _, body = ask(server)
    assert status == 200
    assert b'"number":0' in body
    assert b"The last build failed: A publication could not be read" in body
    rollups.stamp, rollups.broken = 2, False
    assert b"The last build failed" not in ask(server)[2]


def test_the_stamp_changes_with_the_page_and_the_page_knows_its_own(
    server: SiteServer, rollups: Rollups
) -> None:
    first = ask(server, "/stamp")[2]
    assert f'"live":"{first.decode()}"'.encode() in ask(server)[2]
    rollups.stamp = 7
    second = ask(server, "/stamp")[2]
    assert second != first
    assert f'"live":"{second.decode()}"'.encode() in ask(server)[2]


def test_a_served_page_may_ask_its_own_server_and_a_built_one_nobody(server: SiteServer) -> None:
    _, headers, body = ask(server)
    assert "connect-src 'self'" in headers["Content-Security-Policy"]
    assert policy(live=True).encode() in body
    assert "connect-src" not in policy()
    assert policy().encode() in build(Published({}, {}), [], NOW)["index.html"].encode()


def test_a_first_build_that_fails_says_what_to_do(server: SiteServer, rollups: Rollups) -> None:
    rollups.broken = True
    status, _, body = ask(server)
    assert status == 503
    assert body == b"A publication could not be read. Restore the file.\n"


def test_a_port_that_is_taken_is_told(server: SiteServer) -> None:
    with pytest.raises(EnvironmentProblem, match="--port"):
        SiteServer(dict, server.server_port)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_command_stops_cleanly_and_frees_its_port(tmp_path: Path, ending: int) -> None:
    words = ["dashboard", "serve", "--port", "0", "--json", "--lake", str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as serving:
        assert serving.stdout is not None
        told = ""
        while not told.endswith("}\n"):
            told += serving.stdout.readline()
        url = urlsplit(json.loads(told)["url"])
        assert url.hostname == "127.0.0.1"
        connection = http.client.HTTPConnection("127.0.0.1", url.port or 0, timeout=20)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        connection.close()
        serving.send_signal(ending)
        _, errors = serving.communicate(timeout=30)
    assert serving.returncode == 0
    assert "Traceback" not in errors
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", url.port or 0), timeout=5)
