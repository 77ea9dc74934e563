"""A collector of OpenTelemetry in this process: takes OTLP over HTTP, keeps what it was sent."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.services.ports import free_port


class Received:
    """Everything that arrived."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.bodies: list[bytes] = []
        self.authorization: set[str | None] = set()
        self._parsed: list[Any] = []

    def take(self, path: str, body: bytes) -> bool:
        """Take one request; whether it was one of the two kinds, and well-formed."""
        kinds: dict[str, Any] = {
            "/v1/metrics": ExportMetricsServiceRequest,
            "/v1/traces": ExportTraceServiceRequest,
        }
        if path not in kinds:
            return False
        message = kinds[path]()
        message.ParseFromString(body)
        self.bodies.append(body)
        self._parsed.append(message)
        return True

    @property
    def resources(self) -> list[dict[str, str]]:
        """The attributes of every resource that sent something."""
        parts = [part for message in self._parsed for part in _parts(message)]
        return [_attributes(part.resource) for part in parts]

    @property
    def spans(self) -> list[Any]:
        """Every span."""
        return [
            span
            for message in self._parsed
            if isinstance(message, ExportTraceServiceRequest)
            for part in message.resource_spans
            for scope in part.scope_spans
            for span in scope.spans
        ]

    @property
    def metrics(self) -> list[Any]:
        """Every metric of every request, oldest first."""
        return [
            metric
            for message in self._parsed
            if isinstance(message, ExportMetricsServiceRequest)
            for part in message.resource_metrics
            for scope in part.scope_metrics
            for metric in scope.metrics
        ]


def _parts(message: Any) -> Any:
    if isinstance(message, ExportTraceServiceRequest):
        return message.resource_spans
    return message.resource_metrics


def _attributes(owner: Any) -> dict[str, str]:
    return {one.key: one.value.string_value for one in owner.attributes}


attributes = _attributes


@contextmanager
def collector() -> Iterator[Received]:
    """Run one on a port of the loopback interface."""
    received = Received(free_port())

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            received.authorization.add(self.headers.get("Authorization"))
            self.send_response(200 if received.take(self.path, body) else 404)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    port = int(received.url.rpartition(":")[2])
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()
