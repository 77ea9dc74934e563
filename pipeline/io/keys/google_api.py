"""The six calls of Google Cloud Secret Manager that a keystore needs, and how they fail.

Google's client is an argument, so nothing of it is imported before it is used (extra `gcp`).
Failures of the service are reported by the names of their classes: its messages quote requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol

from crc32c import crc32c

from pipeline.errors import EnvironmentProblem
from pipeline.io.keys.secret_service import NoVersion, Unreadable


class SecretClient(Protocol):
    """What is used of `google.cloud.secretmanager.SecretManagerServiceClient`."""

    def create_secret(self, request: Mapping[str, Any]) -> Any:
        """Create a secret without versions."""

    def get_secret(self, request: Mapping[str, Any]) -> Any:
        """Return a secret's etag and annotations."""

    def update_secret(self, request: Mapping[str, Any]) -> Any:
        """Replace annotations if the etag is still the same."""

    def add_secret_version(self, request: Mapping[str, Any]) -> Any:
        """Add a version; the service numbers it."""

    def access_secret_version(self, request: Mapping[str, Any]) -> Any:
        """Return a version's content."""

    def destroy_secret_version(self, request: Mapping[str, Any]) -> Any:
        """Destroy a version's content forever."""


class GoogleSecrets:
    """The secrets of one project whose names begin with a prefix."""

    def __init__(self, client: SecretClient, project: str, prefix: str) -> None:
        self._client, self._project, self._prefix = client, f"projects/{project}", prefix
        self._faults = import_module("google.api_core.exceptions")
        self._refused = import_module("google.auth.exceptions").GoogleAuthError

    def path(self, name: str) -> str:
        """Return the full name of a secret, for messages."""
        return f"{self._project}/secrets/{self._prefix}-{name}"

    def create(self, name: str) -> None:
        """Create a secret; one that already exists is fine."""
        request = {
            "parent": self._project,
            "secret_id": f"{self._prefix}-{name}",
            "secret": {"replication": {"automatic": {}}},
        }
        with self._asked("A secret could not be made"):
            try:
                self._client.create_secret(request)
            except self._faults.AlreadyExists:
                return

    def add(self, name: str, data: bytes) -> None:
        """Add a version to a secret."""
        payload = {"data": data, "data_crc32c": crc32c(data)}
        with self._asked("A key could not be made"):
            self._client.add_secret_version({"parent": self.path(name), "payload": payload})

    def first(self, name: str) -> bytes:
        """Return the content of a secret's version 1. Raises NoVersion or Unreadable."""
        with self._asked("A key could not be read"):
            try:
                payload = self._client.access_secret_version({"name": self._first(name)}).payload
            except self._faults.NotFound:
                raise NoVersion from None
            except self._faults.FailedPrecondition:
                raise Unreadable("it is destroyed or disabled") from None
        data = bytes(payload.data)
        if payload.data_crc32c != crc32c(data):
            raise Unreadable("it does not have its checksum")
        return data

    def destroy_first(self, name: str, *, if_allowed: bool = False) -> None:
        """Destroy the content of version 1; one that is already gone is fine.

        With `if_allowed`, an account without that right leaves it to one that has it.
        """
        with self._asked("A key could not be destroyed"):
            try:
                self._client.destroy_secret_version({"name": self._first(name)})
            except (self._faults.NotFound, self._faults.FailedPrecondition):
                return
            except self._faults.PermissionDenied:
                if not if_allowed:
                    raise

    def annotations(self, name: str) -> tuple[str, dict[str, str]]:
        """Return a secret's etag and annotations; an empty etag if there is no such secret."""
        with self._asked("The index of keys could not be read"):
            try:
                found = self._client.get_secret({"name": self.path(name)})
            except self._faults.NotFound:
                return "", {}
        return found.etag, dict(found.annotations)

    def annotate(self, name: str, etag: str, annotations: Mapping[str, str]) -> bool:
        """Replace annotations; False, with nothing changed, if the etag has changed meanwhile."""
        secret = {"name": self.path(name), "etag": etag, "annotations": dict(annotations)}
        mask = {"paths": ["annotations"]}
        with self._asked("The index of keys could not be changed"):
            try:
                self._client.update_secret({"secret": secret, "update_mask": mask})
            except (self._faults.FailedPrecondition, self._faults.Aborted):
                return False
        return True

    def _first(self, name: str) -> str:
        return f"{self.path(name)}/versions/1"

    @contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        try:
            yield
        except (self._faults.GoogleAPIError, self._refused) as error:
            raise EnvironmentProblem(
                what,
                where=self.path("*"),
                why=f"the secret manager answered {type(error).__name__}",
                remedy="Check the network, and that this account may create, read, update and "
                "destroy these secrets.",
            ) from None


def connect(project: str, prefix: str) -> GoogleSecrets:
    """Return the secrets as this process's account sees them.

    Raises EnvironmentProblem if the client is not installed or has no credentials.
    """
    try:
        service = import_module("google.cloud.secretmanager")
        refused = import_module("google.auth.exceptions").GoogleAuthError
    except ImportError:
        raise EnvironmentProblem(
            "Keys in gcp-sm: need the client of Google Cloud Secret Manager",
            remedy="Install the extra: pip install 'telemetry-pipeline[gcp]'",
        ) from None
    try:
        client = service.SecretManagerServiceClient()
    except refused as error:
        raise EnvironmentProblem(
            "There are no credentials for Google Cloud Secret Manager",
            why=type(error).__name__,
            remedy="Run with a service account, or `gcloud auth application-default login`.",
        ) from None
    return GoogleSecrets(client, project, prefix)
