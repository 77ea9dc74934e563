"""Serves the built site on the loopback interface, to this machine's browsers and nobody else.

Only files of the site exist here; there is no path to the disk. Requests that name another host
(a web page that points its own name at 127.0.0.1) are refused.
"""

from __future__ import annotations

import gzip
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from pipeline.dashboard.page import policy
from pipeline.dashboard.site import PAGE
from pipeline.errors import EnvironmentProblem, TelemetryError

LOOPBACK = "127.0.0.1"
_TYPES = {".html": "text/html; charset=utf-8", ".json": "application/json"}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class SiteServer(ThreadingHTTPServer):
    """An HTTP server for one site; `files` gives its files whenever one is asked for."""

    daemon_threads = True

    def __init__(self, files: Callable[[], Mapping[str, str]], port: int) -> None:
        self.files = files
        self.building = threading.Lock()
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            raise EnvironmentProblem(
                "the dashboard cannot be served",
                where=f"{LOOPBACK}:{port}",
                why=error.strerror or type(error).__name__,
                remedy="Name another port with --port",
            ) from None

    def handle_error(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Ignore a browser that went away in the middle of a response."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    @property
    def hosts(self) -> frozenset[str]:
        """The host names that a request may use."""
        return frozenset(f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost"))


class _Handler(BaseHTTPRequestHandler):
    server: SiteServer
    server_version = "telemetry"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """Respond with a file of the site."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Respond with the headers only."""
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        if self.headers.get("Host", "") not in self.server.hosts:
            self._send(HTTPStatus.MISDIRECTED_REQUEST, b"unknown host\n", "text/plain", body)
            return
        path = urlsplit(self.path).path.lstrip("/") or PAGE
        try:
            with self.server.building:
                content = self.server.files().get(path)
        except TelemetryError as error:
            text = f"{error.what}. {error.remedy}\n".encode()
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, text, "text/plain; charset=utf-8", body)
            return
        if content is None:
            self._send(HTTPStatus.NOT_FOUND, b"no such file\n", "text/plain", body)
            return
        kind = _TYPES.get(PurePosixPath(path).suffix, "text/plain")
        self._send(HTTPStatus.OK, content.encode(), kind, body)

    def _send(self, status: HTTPStatus, content: bytes, kind: str, body: bool) -> None:
        self.send_response(status)
        if "gzip" in self.headers.get("Accept-Encoding", "") and len(content) > 1024:
            content = gzip.compress(content, 6)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Vary", "Accept-Encoding")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def end_headers(self) -> None:
        """Send strict headers with every response, also with a refusal by the base class."""
        self.send_header("Content-Security-Policy", f"{policy(live=True)}; frame-ancestors 'none'")
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is its base's
        """Say nothing: an address line per request would be a log of people."""
