"""Azure Key Vault's reading of secrets, and a managed identity, for tests.

Microsoft's client and credentials are real, and so are TLS and what goes over the wire: the
challenge that says where tokens come from, the token of an identity endpoint as App Service and
Container Apps have it, versions and error codes as documented. The two services are ours: there is
no emulator in the registries that the tests may use.
"""

from __future__ import annotations

import datetime
import json
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAME = "telemetry.vault.localhost"
TOKEN = "token-of-the-identity"
FORBIDDEN = "of-somebody-else"


class _Handler(BaseHTTPRequestHandler):
    secrets: ClassVar[Mapping[str, str]] = {}
    domain: ClassVar[str] = ""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/identity":
            self._identity()
        elif self.headers["Authorization"] != f"Bearer {TOKEN}":
            port = self.connection.getsockname()[1]
            resource = f'resource="https://{self.domain}:{port}"'
            where = f'Bearer authorization="https://login.localhost/tenant", {resource}'
            self._answer(401, {}, {"WWW-Authenticate": where})
        else:
            self._secret(path.removeprefix("/secrets/").rstrip("/"))

    def _identity(self) -> None:
        if self.headers["X-IDENTITY-HEADER"] != "header":
            self._answer(401, {"statusCode": 401, "message": "no such identity"})
            return
        token = {"access_token": TOKEN, "expires_on": "4000000000", "token_type": "Bearer"}
        self._answer(200, {**token, "resource": "https://vault.localhost"})

    def _secret(self, name: str) -> None:
        if name == FORBIDDEN:
            self._answer(403, {"error": {"code": "Forbidden", "message": f"no right to {name}"}})
        elif name in self.secrets:
            identity = f"https://{NAME}/secrets/{name}"
            self._answer(200, {"value": self.secrets[name], "id": identity, "attributes": {}})
        else:
            self._answer(404, {"error": {"code": "SecretNotFound", "message": f"no {name}"}})

    def _answer(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        given = {"Content-Type": "application/json", "Content-Length": str(len(data))}
        for name, value in {**given, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        del args


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for the vault's name; returns its file and that of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "vault.pem", folder / "vault.key"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_file, key_file


@contextmanager
def _serving(
    handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None
) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _found(real: Any, host: Any, *args: Any, **kwargs: Any) -> Any:
    return real("127.0.0.1" if host == NAME else host, *args, **kwargs)


@contextmanager
def azure_vault(
    folder: Path, secrets: Mapping[str, str], domain: str = "vault.localhost"
) -> Iterator[str]:
    """Serve the secrets, by name or `name/version`; gives the host to be named in a reference.

    The vault says that tokens are those of `domain`.
    """
    handler = type("_Filled", (_Handler,), {"secrets": secrets, "domain": domain})
    cert_file, key_file = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    resolve = partial(_found, socket.getaddrinfo)
    with _serving(handler, context) as port, _serving(handler, None) as identity:
        given = {
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{identity}/identity",
            "IDENTITY_HEADER": "header",
            "REQUESTS_CA_BUNDLE": str(cert_file),
        }
        with patch.dict(os.environ, given), patch.object(socket, "getaddrinfo", resolve):
            yield f"{NAME}:{port}"
