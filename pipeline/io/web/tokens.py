"""Access tokens by OAuth 2.0's client credentials (RFC 6749, section 4.4), as OIDC providers give.

A token is kept until four fifths of its life have passed, then the next request for it fetches
another: a broker asks a client to authenticate again at 85 to 95 percent. If that fails, the old
one serves until it expires. The token and the client's secret are in no log, error or `repr`.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline.errors import EnvironmentProblem, SettingsError
from pipeline.io.web.client import NoAnswer, WebClient, is_protected
from pipeline.parsing import parse_json

RENEWED_AFTER: Final = 0.8
"""Share of a token's life after which another one is fetched."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TokenAccess:
    """Where tokens come from, and who asks. Picklable; no secret is resolved."""

    endpoint: str
    client_id: Callable[[], str] = field(repr=False)
    client_secret: Callable[[], str] = field(repr=False)
    scope: str | None = None
    ca_file: Path | None = None
    """PEM file of the authority that signed the endpoint's certificate; None: the system's."""

    def __post_init__(self) -> None:
        if not is_protected(self.endpoint):
            raise SettingsError(
                "The token endpoint has no TLS",
                where=self.endpoint,
                why="the client's secret would travel in the clear",
                remedy="Use its https:// address.",
            )


class TokenRefused(EnvironmentProblem):
    """The endpoint answers but gives no token: this lasts until somebody changes something."""


class TokenSource:
    """The tokens of one client; any number of threads may ask."""

    def __init__(self, access: TokenAccess, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is asked yet; `clock` counts seconds."""
        self._access, self._clock = access, clock
        self._web = WebClient(access.ca_file, "kafka.token_ca_file")
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = self._ends_at = float("-inf")
        self._problem: EnvironmentProblem | None = None

    def __repr__(self) -> str:
        return f"TokenSource({self._access.endpoint!r})"

    def problem(self) -> EnvironmentProblem | None:
        """Say why there is no valid token now, if a request for one has failed."""
        return self._problem if self._clock() >= self._ends_at else None

    def token(self) -> str:
        """Return a token that is valid now.

        Raises TokenRefused, EnvironmentProblem if the endpoint does not answer, SettingsError.
        """
        with self._lock:
            now = self._clock()
            if now < self._renew_at:
                return self._token
            try:
                self._token, seconds = self._fetch()
            except EnvironmentProblem as problem:
                self._problem = problem
                if now >= self._ends_at:
                    raise
                _LOG.warning("The token cannot be renewed, and is still valid: %s", str(problem))
                return self._token
            self._problem = None
            self._renew_at = now + RENEWED_AFTER * seconds
            self._ends_at = now + seconds
            return self._token

    def _fetch(self) -> tuple[str, float]:
        """Return a new token and its lifetime in seconds, 0 if the endpoint does not say."""
        form = {"grant_type": "client_credentials"}
        if self._access.scope is not None:
            form["scope"] = self._access.scope
        who = (self._access.client_id(), self._access.client_secret())
        # Both are form-encoded first: RFC 6749, section 2.3.1.
        pair = ":".join(urllib.parse.quote_plus(part) for part in who)
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
        }
        body = urllib.parse.urlencode(form).encode()
        try:
            answer = self._web.ask(self._access.endpoint, headers, body=body)
        except NoAnswer as reason:
            raise self._unreachable(str(reason)) from None
        if answer.is_later:
            raise self._unreachable(f"it answers with status {answer.status}")
        if answer.status != 200:
            raise self._refused(f"it answers with status {answer.status}{_code(answer.body)}")
        try:
            found = parse_json(answer.body)
            token, seconds = found["access_token"], float(found.get("expires_in") or 0)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise self._refused("its answer is no token") from None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise self._refused("its answer is no token")
        return token, seconds

    def _unreachable(self, why: str) -> EnvironmentProblem:
        return EnvironmentProblem(
            "The token endpoint gives no token now",
            where=self._access.endpoint,
            why=why,
            remedy="Check `kafka.token_endpoint`, and whether the identity provider runs.",
        )

    def _refused(self, why: str) -> TokenRefused:
        return TokenRefused(
            "The token endpoint refuses a token",
            where=self._access.endpoint,
            why=why,
            remedy="Check `username` (the client id), `password` (its secret), `token_endpoint` "
            "and `token_scope` of [kafka].",
        )


_CODES: Final = frozenset(
    {
        "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client",
        "unsupported_grant_type", "invalid_scope",
    }
)  # fmt: skip
"""From RFC 6749, section 5.2. Nothing else in a refusal is repeated: it may quote the request."""


def _code(body: bytes) -> str:
    try:
        code = parse_json(body)["error"]
    except (ValueError, TypeError, KeyError):
        return ""
    return f" ({code})" if isinstance(code, str) and code in _CODES else ""
