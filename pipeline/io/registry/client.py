"""Ask a schema registry for a schema: three requests of Confluent's REST interface.

Registries of several vendors answer them (Confluent, Karapace, Apicurio, Redpanda). The packaged
clients either bring a second Kafka client in C or cannot read Protobuf, where one address will do.
"""

from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pipeline.errors import EnvironmentProblem, RegistryUnreachable
from pipeline.io.web.client import Answer, NoAnswer, WebClient
from pipeline.parsing import parse_json

_UNKNOWN: Final = (40401, 40402, 40403)
"""Codes of the interface: no such subject, version, schema."""


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
        self._web = WebClient(access.ca_file, "registry.ca_file")

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
        headers = {"Accept": "application/vnd.schemaregistry.v1+json, application/json"}
        if self._access.username is not None:
            password = "" if self._access.password is None else self._access.password()
            told = f"{self._access.username()}:{password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(told).decode()}"
        try:
            answer = self._web.ask(f"{self._base}{path}", headers)
        except NoAnswer as reason:
            raise self._unreachable(str(reason)) from None
        if answer.status != 200:
            self._mind(answer)
            return None
        try:
            found = parse_json(answer.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._unreachable("its answer is no schema")
        return found

    def _mind(self, answer: Answer) -> None:
        """Raise what a refusal means, unless it only means that there is no such schema."""
        status = answer.status
        if status == 404 and _code_of(answer.body) in _UNKNOWN:
            return
        if answer.is_later:
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


def _code_of(body: bytes) -> int | None:
    try:
        found = parse_json(body)
    except ValueError:
        return None
    code = found.get("error_code") if isinstance(found, dict) else None
    return code if isinstance(code, int) else None
