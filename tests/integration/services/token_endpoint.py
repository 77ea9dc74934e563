"""An identity provider's token endpoint for client credentials, in this process.

It signs access tokens (RS256) and writes the key set (JWKS) that a broker checks them with. What
it answers can be changed while it runs: another life of tokens, a refusal, an error.
"""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

AUDIENCE = "kafka"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@dataclass
class TokenEndpoint:
    """What clients it knows, what it answers, and what it was asked."""

    clients: dict[str, str]
    seconds: float = 300
    says_seconds: bool = True
    answer: tuple[int, bytes] | None = None
    """Answered instead of a token, if set."""
    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )

    def keys(self) -> str:
        """The key set, as JSON."""
        public = self.key.public_key().public_numbers()
        one = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1"}
        return json.dumps({"keys": [{**one, "n": _number(public.n), "e": _number(public.e)}]})

    def sign(self, subject: str) -> str:
        """A token for a client."""
        now = time.time()
        claims = {
            "iss": "https://issuer.test",
            "aud": AUDIENCE,
            "sub": subject,
            "scope": "kafka",
            "iat": int(now),
            "exp": int(now + self.seconds),
            "jti": str(len(self.given)),
        }
        head = {"alg": "RS256", "kid": "1", "typ": "JWT"}
        signed = ".".join(_text(json.dumps(part).encode()) for part in (head, claims))
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_text(signature)}"

    def respond(self, authorization: str, form: dict[str, str]) -> tuple[int, bytes]:
        """Status and body for a request."""
        self.asked.append(form)
        if self.answer is not None:
            return self.answer
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        user, _, password = (urllib.parse.unquote_plus(part) for part in pair.partition(":"))
        if self.clients.get(user) != password:
            return 401, json.dumps({"error": "invalid_client", "error_description": pair}).encode()
        token = self.sign(user)
        self.given.append(token)
        found: dict[str, object] = {"access_token": token, "token_type": "Bearer"}
        if self.says_seconds:
            found["expires_in"] = self.seconds
        return 200, json.dumps(found).encode()


@contextmanager
def token_endpoint(clients: dict[str, str], keys: Path | None = None) -> Iterator[TokenEndpoint]:
    """Serve tokens on the loopback address; `keys` is where the key set is written."""
    here = TokenEndpoint(clients)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, answer = here.respond(
                self.headers["Authorization"], dict(urllib.parse.parse_qsl(body))
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        here.url = f"http://127.0.0.1:{server.server_port}/token"
        if keys is not None:
            keys.write_text(here.keys())
        yield here
        server.shutdown()
        thread.join()
