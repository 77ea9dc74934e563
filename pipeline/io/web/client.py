"""One HTTP request and its whole response: for services that need no client of their own.

No redirect is followed, as it would take credentials elsewhere, and no proxy is looked for.
A response of any status is an answer; the caller decides what it means. Errors contain nothing of
a request or an answer.
"""

from __future__ import annotations

import http.client
import ipaddress
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.errors import EnvironmentProblem

REQUEST_SECONDS: Final = 5.0
MOST_BYTES: Final = 4 * 2**20
BUSY: Final = (408, 425, 429)
"""Statuses below 500 that also mean: not now."""


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    body: bytes

    @property
    def is_later(self) -> bool:
        """Whether the same request may succeed later, without anybody's help."""
        return self.status >= 500 or self.status in BUSY


class NoAnswer(Exception):
    """No answer came; the text says why, as a clause that follows "because". Stays in `io`."""


class WebClient:
    """Asks servers whose certificates are signed by `ca_file`, or by the system's authorities."""

    def __init__(self, ca_file: Path | None = None, setting: str = "ca_file") -> None:
        """`setting` names the setting of the file in errors; nothing is opened yet."""
        self._ca_file, self._setting = ca_file, setting
        self._opener: urllib.request.OpenerDirector | None = None

    def ask(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        body: bytes | None = None,
        method: str | None = None,
    ) -> Answer:
        """Return the answer to GET, or with a body to POST, or to `method`.

        Raises NoAnswer, and EnvironmentProblem if the certificate file cannot be used.
        """
        request = urllib.request.Request(  # noqa: S310  # http(s) by settings
            url, data=body, headers=dict(headers), method=method
        )
        try:
            with self._opened().open(request, timeout=REQUEST_SECONDS) as answer:
                return Answer(answer.status, answer.read(MOST_BYTES))
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise NoAnswer(f"of a {type(reason).__name__}") from None

    def _opened(self) -> urllib.request.OpenerDirector:
        if self._opener is None:
            try:
                context = ssl.create_default_context(cafile=self._ca_file)
            except (OSError, ssl.SSLError) as error:
                raise EnvironmentProblem(
                    "A certificate file of the settings cannot be used",
                    where=self._setting,
                    why=f"of a {type(error).__name__}",
                    remedy=f"Check `{self._setting}`.",
                ) from None
            self._opener = urllib.request.OpenerDirector()
            self._opener.add_handler(urllib.request.HTTPHandler())
            self._opener.add_handler(urllib.request.HTTPSHandler(context=context))
        return self._opener


def is_protected(url: str) -> bool:
    """Tell whether what is sent there can be read on the way: TLS, or this machine itself.

    >>> is_protected("https://login.example/token"), is_protected("http://[::1]:80/token")
    (True, True)
    >>> is_protected("http://login.example/token")
    False
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
