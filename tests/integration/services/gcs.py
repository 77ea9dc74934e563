"""A local server in place of Google Cloud Storage, as far as there is one.

fake-gcs-server speaks the JSON API that pyarrow uses, and reading, listing and deleting of the XML
API that delta-rs uses. What it lacks of that, uploads and the place where a list begins, is done by
a small server in front of it, which turns uploads into those of the JSON API: the conditions of a
commit are those of the server behind, the words in between are ours. So this tests our side of the
wire, not Google's.

It is built once with Go into the user's cache folder; `TELEMETRY_FAKE_GCS` names another binary.
What stands in front is a process of its own (`python -m tests.integration.services.gcs PORT
BEHIND`): delta-rs keeps Python's lock while it waits for an answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

import pytest

from tests.integration.services.fetching import built_by_go
from tests.integration.services.ports import free_port, wait_for_port

VERSION = "v1.56.1"
_MODULE = f"github.com/fsouza/fake-gcs-server@{VERSION}"
BUCKET = "lake"
_NOBODY = {"client_email": "", "private_key": "", "private_key_id": "", "disable_oauth": True}


@dataclass(frozen=True)
class GcsBucket:
    """An empty bucket, what delta-rs needs to reach it, and the address of the JSON API."""

    url: str
    options: dict[str, str]
    endpoint: str

    def objects(self) -> dict[str, dict[str, str]]:
        """Every object of the bucket, with what the server knows of it."""
        address = f"http://{self.endpoint}/storage/v1/b/{BUCKET}/o"
        with urllib.request.urlopen(address, timeout=30) as answer:
            return {item["name"]: item for item in json.load(answer).get("items", [])}


def missing() -> str | None:
    """Say what is missing to start a server here, or None."""
    if os.environ.get("TELEMETRY_FAKE_GCS") or _cached().exists() or shutil.which("go"):
        return None
    return "needs Go, or TELEMETRY_FAKE_GCS=<the fake-gcs-server binary>"


def _cached() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "telemetry-pipeline" / "gcs" / VERSION / "fake-gcs-server"


def binary() -> Path:
    """The server, built at first use."""
    named = os.environ.get("TELEMETRY_FAKE_GCS")
    if named:
        return Path(named)
    return built_by_go(_cached(), _MODULE)


@contextlib.contextmanager
def bucket(folder: Path) -> Iterator[GcsBucket]:
    """Run a server and what stands in front of it; yield its one bucket."""
    port, front_port = free_port(), free_port()
    words = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
    # It tells the XML API from the rest by the host that is asked.
    words += ["-public-host", f"127.0.0.1:{port}", "-external-url", f"http://127.0.0.1:{port}"]
    with (folder / "gcs.log").open("w") as log:
        process = subprocess.Popen([str(binary()), *words], stdout=log, stderr=log)
    words = [sys.executable, "-m", "tests.integration.services.gcs", str(front_port), str(port)]
    front = subprocess.Popen(words, cwd=Path(__file__).parents[3])
    account = folder / "account.json"
    account.write_text(json.dumps(_NOBODY))
    try:
        wait_for_port(port, process)
        wait_for_port(front_port, front)
        created = json.dumps({"name": BUCKET}).encode()
        assert _Server(port).ask("POST", "/storage/v1/b?project=test", created).status == 200
        options = {
            "google_base_url": f"http://127.0.0.1:{front_port}",
            "google_skip_signature": "true",
            "allow_http": "true",
        }
        with pytest.MonkeyPatch.context() as patch:
            # delta-rs asks a token for what it writes, unless an account says that it need not.
            patch.setenv("GOOGLE_SERVICE_ACCOUNT", str(account))
            yield GcsBucket(f"gs://{BUCKET}/telemetry", options, f"127.0.0.1:{port}")
    finally:
        for one in (front, process):
            one.kill()
            one.wait()


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class _Server:
    """The server behind, and the uploads in parts that it does not know."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.uploads: dict[str, dict[int, bytes]] = {}

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> _Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body or None, headers or {})
            answer = connection.getresponse()
            return _Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def insert(self, key: str, body: bytes, generation: str | None) -> _Answer:
        """Store an object through the JSON API, under the condition that came with it."""
        bucket, _, name = key.partition("/")
        words = f"uploadType=media&name={quote(name, safe='')}"
        if generation is not None:
            words += f"&ifGenerationMatch={generation}"
        answer = self.ask("POST", f"/upload/storage/v1/b/{bucket}/o?{words}", body)
        if answer.status != 200:
            return answer
        item = json.loads(answer.body)
        headers = {"ETag": f'"{item["etag"]}"', "x-goog-generation": item["generation"]}
        return _Answer(200, headers, b"")


class _Front(BaseHTTPRequestHandler):
    """Uploads of the XML API become uploads of the JSON API; the rest is passed on."""

    protocol_version = "HTTP/1.1"
    behind: ClassVar[_Server]

    def do_PUT(self) -> None:
        key, query, body = self._parts()
        if key.startswith("upload/"):
            self._pass_on(body)
            return
        if "partNumber" in query:
            self.behind.uploads[query["uploadId"]][int(query["partNumber"])] = body
            self._say(_Answer(200, {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}, b""))
            return
        condition = self.headers.get("x-goog-if-generation-match")
        self._say(self.behind.insert(key, body, condition))

    def do_POST(self) -> None:
        key, query, body = self._parts()
        if "uploads" in query:
            number = secrets.token_hex(8)
            self.behind.uploads[number] = {}
            self._say_xml("InitiateMultipartUploadResult", {"UploadId": number})
        elif "uploadId" in query:
            parts = self.behind.uploads.pop(query["uploadId"])
            answer = self.behind.insert(key, b"".join(parts[at] for at in sorted(parts)), None)
            self._say_xml("CompleteMultipartUploadResult", {"ETag": answer.headers["ETag"]})
        else:
            self._pass_on(body)

    def do_DELETE(self) -> None:
        _, query, body = self._parts()
        if "uploadId" in query:
            self.behind.uploads.pop(query["uploadId"], None)
            self._say(_Answer(204, {}, b""))
        else:
            self._pass_on(body)

    def do_GET(self) -> None:
        _, query, _ = self._parts()
        after = query.get("start-after")
        if after is None:
            self._pass_on(b"")
            return
        # The server behind lists everything, wherever it is told to begin.
        answer = self.behind.ask("GET", self.path)
        entries = re.compile(rb"<Contents><Key>(.*?)</Key>.*?</Contents>", re.DOTALL)
        later = entries.sub(
            lambda entry: entry[0] if unescape(entry[1].decode()) > after else b"", answer.body
        )
        self._say(_Answer(answer.status, {"Content-Type": "application/xml"}, later))

    def do_HEAD(self) -> None:
        self._pass_on(b"")

    def _parts(self) -> tuple[str, dict[str, str], bytes]:
        """The object's name with its bucket, the query and the body of a request."""
        asked = urlsplit(self.path)
        query = {
            name: values[0]
            for name, values in parse_qs(asked.query, keep_blank_values=True).items()
        }
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        return unquote(asked.path).lstrip("/"), query, body

    def _pass_on(self, body: bytes) -> None:
        kept = {
            name: value
            for name, value in self.headers.items()
            if name.lower() in ("range", "content-type", "content-range")
            or name.lower().startswith("x-upload-")
        }
        self._say(self.behind.ask(self.command, self.path, body, kept))

    def _say_xml(self, name: str, values: dict[str, str]) -> None:
        inner = "".join(f"<{tag}>{escape(value)}</{tag}>" for tag, value in values.items())
        self._say(_Answer(200, {}, f"<{name}>{inner}</{name}>".encode()))

    def _say(self, answer: _Answer) -> None:
        self.send_response(answer.status)
        ours = ("content-length", "transfer-encoding", "connection", "date")
        for name, value in answer.headers.items():
            if name.lower() not in ours:
                self.send_header(name, value)
        size = answer.headers.get("Content-Length") if self.command == "HEAD" else None
        if answer.status != 204:
            self.send_header("Content-Length", size or str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the server behind has a log."""


def main(port: str, behind: str) -> None:
    """Stand in front of the server behind until somebody ends this process."""
    _Front.behind = _Server(int(behind))
    front = ThreadingHTTPServer(("127.0.0.1", int(port)), _Front)
    front.daemon_threads = True
    front.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
