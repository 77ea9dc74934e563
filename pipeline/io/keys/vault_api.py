"""The calls of Vault's key-value engine, version 2, that a keystore needs, and how they fail.

A write names the version that it replaces, and the server refuses it if there is another: of
several processes that make the same key, one makes version 1. A destroyed version leaves its
number behind, so that a key is never made again. An engine of version 1 compares nothing and is
refused. A token that is refused may have been renewed since: access is asked for once more. The
server's messages quote requests, so errors name their kind only. The client is the extra `vault`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final

from pipeline.errors import EnvironmentProblem
from pipeline.io.keys.secret_service import NoVersion, Unreadable

_KEY: Final = "key"
_COMPARED: Final = "check-and-set parameter did not match"
"""How the server's message begins if another version is there. The status is any mistake's."""


class VaultSecrets:
    """The secrets of one key-value engine whose paths begin with a prefix."""

    def __init__(self, connect: Callable[[], Any], mount: str, prefix: str) -> None:
        """`connect` returns hvac's client, logged in; it is called again when access ends."""
        self._connect, self._mount, self._prefix = connect, mount, prefix
        self._client = connect()
        self._faults = import_module("hvac.exceptions")
        self._unreached = import_module("requests").RequestException

    def path(self, name: str) -> str:
        """See `SecretService.path`."""
        return f"{self._mount}/{self._prefix}-{name}"

    def create(self, name: str) -> None:
        """Create an empty index; a key is created with its content."""
        if name == "index":
            self._write(name, {}, 0, "The index of keys could not be made")

    def add(self, name: str, data: bytes) -> None:
        """See `SecretService.add`."""
        text = base64.b64encode(data).decode("ascii")
        self._write(name, {_KEY: text}, 0, "A key could not be made")

    def first(self, name: str) -> bytes:
        """See `SecretService.first`."""
        found = self._read(name, 1, "A key could not be read")
        if found is None:
            raise NoVersion
        metadata = found["metadata"]
        if found["data"] is None:
            raise Unreadable("it is destroyed" if metadata["destroyed"] else "it is deleted")
        try:
            return base64.b64decode(found["data"][_KEY], validate=True)
        except (KeyError, TypeError, ValueError, binascii.Error):
            raise Unreadable("it is not what was written") from None

    def destroy_first(self, name: str, *, if_allowed: bool = False) -> None:
        """See `SecretService.destroy_first`."""

        def destroy(kv: Any) -> None:
            try:
                kv.destroy_secret_versions(self._path(name), [1], mount_point=self._mount)
            except self._faults.Forbidden:
                if not if_allowed:
                    raise

        self._asked("A key could not be destroyed", destroy)

    def annotations(self, name: str) -> tuple[str, dict[str, str]]:
        """See `SecretService.annotations`; the state is the number of the newest version."""
        found = self._read(name, None, "The index of keys could not be read")
        if found is None:
            return "", {}
        version = str(found["metadata"]["version"])
        texts = found["data"]
        if texts is None or not all(isinstance(text, str) for text in texts.values()):
            # The keystore reports that what is there cannot be trusted.
            return version, {"epoch.unreadable": ""}
        return version, dict(texts)

    def annotate(self, name: str, etag: str, annotations: Mapping[str, str]) -> bool:
        """See `SecretService.annotate`."""
        what = "The index of keys could not be changed"
        return self._write(name, dict(annotations), int(etag), what)

    def _path(self, name: str) -> str:
        return f"{self._prefix}-{name}"

    def _write(self, name: str, content: Mapping[str, str], replaces: int, what: str) -> bool:
        """Write the version after `replaces`; False if that is not the newest one."""

        def write(kv: Any) -> Any:
            try:
                return kv.create_or_update_secret(
                    self._path(name), dict(content), cas=replaces, mount_point=self._mount
                )
            except self._faults.InvalidRequest as error:
                if not any(one.startswith(_COMPARED) for one in error.errors or ()):
                    raise
                return None

        answer = self._asked(what, write)
        if answer is None:
            return False
        if not isinstance(answer, dict) or "version" not in answer.get("data", {}):
            raise self._unversioned(what)
        return True

    def _read(self, name: str, version: int | None, what: str) -> dict[str, Any] | None:
        """Return data and metadata of a version, or of the newest one; None if there is none."""

        def read(kv: Any) -> Any:
            try:
                return kv.read_secret_version(
                    self._path(name),
                    version,
                    mount_point=self._mount,
                    raise_on_deleted_version=True,
                )
            except self._faults.InvalidPath as error:
                # A deleted or destroyed version is not found either, but says so.
                return error.json if (error.json or {}).get("data") else None

        answer = self._asked(what, read)
        if answer is None:
            return None
        found = answer["data"]
        if not isinstance(found.get("metadata"), dict) or "data" not in found:
            raise self._unversioned(what)
        return dict(found)

    def _asked(self, what: str, call: Callable[[Any], Any]) -> Any:
        try:
            try:
                return call(self._client.secrets.kv.v2)
            except self._faults.Forbidden:
                self._client = self._connect()
                return call(self._client.secrets.kv.v2)
        except (self._faults.VaultError, self._unreached) as error:
            raise EnvironmentProblem(
                what,
                where=self.path("*"),
                why=f"Vault answered {type(error).__name__}",
                remedy="Check that Vault can be reached and is not sealed, and that this token's "
                "policy allows to create, read, update and destroy these secrets.",
            ) from None

    def _unversioned(self, what: str) -> EnvironmentProblem:
        return EnvironmentProblem(
            what,
            where=self.path("*"),
            why=f"the engine at {self._mount}/ is not a key-value engine of version 2",
            remedy="Only version 2 lets one of several writers win: `vault secrets enable "
            "-path=NAME -version=2 kv`.",
        )
