"""Ask a schema registry for a schema: three requests of Confluent's REST interface.

Registries of several vendors answer them (Confluent, Karapace, Apicurio, Redpanda). The packaged
clients either bring a second Kafka client in C or read no Protobuf, for what is one address here.

No redirect is followed, as it would take the credentials elsewhere, and no proxy is looked for.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pipeline.errors import EnvironmentProblem, RegistryUnreachable

REQUEST_SECONDS: Final = 5.0
MOST_BYTES: Final = 4 * 2**20
_UNKNOWN: Final = (40401, 40402, 40403)
"""Codes of the interface: no such subject, version, schema."""
_BUSY: Final = (408, 425, 429)


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """Where a registry is and how to talk to it. Picklable; no secret is resolved."""

    url: str
    username: Callable[[], str] | None = field(default=None, repr=False)
    password: Callable[[], str] | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """PEM file of the authority that signed the registry's certificate; None: the system's."""


class RegistryClient:
    """Asks one registry. Raises `RegistryUnreachable` where a later try may succeed."""

    def __init__(self, access: RegistryAccess) -> None:
        self._base = access.url.rstrip("/")
        self._access = access
        self._opener: urllib.request.OpenerDirector | None = None

    def by_number(self, number: int) -> Mapping[str, Any] | None:
        """Return the registry's answer for a schema's number; None if there is no such schema."""
        return self._ask(f"/schemas/ids/{number}")

    def by_version(self, subject: str, version: int) -> Mapping[str, Any] | None:
        """Return a schema that another one refers to; None if it is not there."""
        return self._ask(f"/subjects/{urllib.parse.quote(subject, safe='')}/versions/{version}")

    def latest(self, subject: str) -> Mapping[str, Any] | None:
        """Return a subject's last schema; None if there is no such subject."""
        return self._ask(f"/subjects/{urllib.parse.quote(subject, safe='')}/versions/latest")

    def _ask(self, path: str) -> Mapping[str, Any] | None:
        request = urllib.request.Request(f"{self._base}{path}")  # noqa: S310  # http(s) by settings
        request.add_header("Accept", "application/vnd.schemaregistry.v1+json, application/json")
        if self._access.username is not None:
            password = "" if self._access.password is None else self._access.password()
            told = f"{self._access.username()}:{password}".encode()
            request.add_header("Authorization", f"Basic {base64.b64encode(told).decode()}")
        refusal: tuple[int, int | None] | None = None
        found: object = None
        try:
            with self._opened().open(request, timeout=REQUEST_SECONDS) as answer:
                found = json.loads(answer.read(MOST_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                refusal = error.code, _code_of(error)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise self._unreachable(f"of a {type(reason).__name__}") from None
        if refusal is not None:
            self._mind(*refusal)
            return None
        if not isinstance(found, dict):
            raise self._unreachable("its answer is no schema")
        return found

    def _opened(self) -> urllib.request.OpenerDirector:
        if self._opener is None:
            try:
                context = ssl.create_default_context(cafile=self._access.ca_file)
            except (OSError, ssl.SSLError) as error:
                raise EnvironmentProblem(
                    "The certificate file of the registry settings cannot be used",
                    why=f"of a {type(error).__name__}",
                    remedy="Check `registry.ca_file`.",
                ) from None
            self._opener = urllib.request.OpenerDirector()
            for handler in (
                urllib.request.HTTPHandler(),
                urllib.request.HTTPSHandler(context=context),
                urllib.request.HTTPErrorProcessor(),
                urllib.request.HTTPDefaultErrorHandler(),
            ):
                self._opener.add_handler(handler)
        return self._opener

    def _mind(self, status: int, code: int | None) -> None:
        """Raise what a refusal means, if that is more than that there is no such schema."""
        if status == 404 and code in _UNKNOWN:
            return
        if status >= 500 or status in _BUSY:
            raise self._unreachable(f"it answers with status {status}")
        if status in (401, 403):
            raise EnvironmentProblem(
                "The schema registry refuses the credentials",
                where=self._base,
                remedy="Check `username` and `password` of [registry], and the user's right to "
                "read schemas.",
            )
        raise EnvironmentProblem(
            "The address is not that of a schema registry",
            where=self._base,
            why=f"it answers with status {status}",
            remedy="Set `registry` of the source to where /schemas/ids/ is, such as "
            "https://HOST/apis/ccompat/v7.",
        )

    def _unreachable(self, why: str) -> RegistryUnreachable:
        return RegistryUnreachable(
            "The schema registry does not answer",
            where=self._base,
            why=why,
            remedy="Nothing was passed over: reading goes on from there when it answers.",
        )


def _code_of(error: urllib.error.HTTPError) -> int | None:
    try:
        found = json.loads(error.read(MOST_BYTES))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    code = found.get("error_code") if isinstance(found, dict) else None
    return code if isinstance(code, int) else None
