"""A server of one's own answers: what a registry says, and what it must not be believed in."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, object]
UNKNOWN: Answer = (404, {"error_code": 40403, "message": "Schema not found"})


@dataclass
class Registry:
    """Answers by path, and what was asked."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    authorization: list[str | None] = field(default_factory=list)
    location: str | None = None


@contextmanager
def registry() -> Iterator[Registry]:
    """Serve answers on the loopback address; an unknown path is an unknown schema."""
    here = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here.asked.append(self.path)
            here.authorization.append(self.headers["Authorization"])
            status, answer = here.answers.get(self.path, UNKNOWN)
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            if here.location is not None:
                self.send_header("Location", here.location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        here.url = f"http://127.0.0.1:{server.server_port}"
        yield here
        server.shutdown()
        thread.join()
