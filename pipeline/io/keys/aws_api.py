"""The calls of AWS Secrets Manager that a keystore needs, and how they fail.

A key is a secret of its own, created once: of several processes that create it at the same time
one succeeds. The index is a secret whose current version is moved by comparison: the service moves
the label `AWSCURRENT` only from the version that the caller names. Failures of the service are
reported by their codes: its messages quote requests. The client is the extra `aws`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, Final

from pipeline.errors import EnvironmentProblem
from pipeline.io.keys.secret_service import NoVersion, Unreadable
from pipeline.parsing import parse_json

CURRENT: Final = "AWSCURRENT"
_ABSENT, _THERE = "ResourceNotFoundException", "ResourceExistsException"
_DELETED, _MOVED = "InvalidRequestException", "InvalidParameterException"
_FORBIDDEN: Final = "AccessDeniedException"


class AwsSecrets:
    """The secrets of one account and region whose names begin with a prefix."""

    def __init__(self, client: Any, prefix: str) -> None:
        """`client` is boto3's client of `secretsmanager`."""
        self._client, self._prefix = client, prefix
        faults = import_module("botocore.exceptions")
        self._refused, self._failed = faults.ClientError, faults.BotoCoreError

    def path(self, name: str) -> str:
        """See `SecretService.path`."""
        return f"{self._prefix}-{name}"

    def create(self, name: str) -> None:
        """Create an empty index; a key is created with its content."""
        if name == "index":
            self._make(name, {"SecretString": "{}"})

    def add(self, name: str, data: bytes) -> None:
        """See `SecretService.add`."""
        self._make(name, {"SecretBinary": data})

    def first(self, name: str) -> bytes:
        """See `SecretService.first`: a key's secret never gets a second version from us."""
        with self._asked("A key could not be read"):
            try:
                found = self._client.get_secret_value(SecretId=self.path(name))
            except self._refused as error:
                if _code(error) == _ABSENT:
                    raise NoVersion from None
                if _code(error) == _DELETED:
                    raise Unreadable("it is deleted") from None
                raise
        if "SecretBinary" not in found:
            raise Unreadable("it is a text")
        return bytes(found["SecretBinary"])

    def destroy_first(self, name: str, *, if_allowed: bool = False) -> None:
        """See `SecretService.destroy_first`: at once, without the days of recovery."""
        passed = {_ABSENT, *([_FORBIDDEN] if if_allowed else [])}
        with self._asked("A key could not be destroyed"):
            try:
                self._client.delete_secret(
                    SecretId=self.path(name), ForceDeleteWithoutRecovery=True
                )
            except self._refused as error:
                if _code(error) not in passed:
                    raise

    def annotations(self, name: str) -> tuple[str, dict[str, str]]:
        """See `SecretService.annotations`."""
        with self._asked("The index of keys could not be read"):
            try:
                found = self._client.get_secret_value(
                    SecretId=self.path(name), VersionStage=CURRENT
                )
            except self._refused as error:
                if _code(error) != _ABSENT:
                    raise
                return "", {}
        try:
            texts = parse_json(found["SecretString"])
            return found["VersionId"], {str(key): str(value) for key, value in texts.items()}
        except (KeyError, ValueError, AttributeError):
            # The keystore reports that what is there cannot be trusted.
            return found["VersionId"], {"epoch.unreadable": ""}

    def annotate(self, name: str, etag: str, annotations: Mapping[str, str]) -> bool:
        """See `SecretService.annotate`."""
        with self._asked("The index of keys could not be changed"):
            label = f"proposed-{uuid.uuid4()}"
            made = self._client.put_secret_value(
                SecretId=self.path(name),
                SecretString=json.dumps(dict(annotations)),
                VersionStages=[label],
            )
            try:
                self._client.update_secret_version_stage(
                    SecretId=self.path(name),
                    VersionStage=CURRENT,
                    RemoveFromVersionId=etag,
                    MoveToVersionId=made["VersionId"],
                )
            except self._refused as error:
                if _code(error) != _MOVED:
                    raise
                return False
            finally:
                # A version without a label is one that the service forgets.
                with suppress(self._refused):
                    self._client.update_secret_version_stage(
                        SecretId=self.path(name),
                        VersionStage=label,
                        RemoveFromVersionId=made["VersionId"],
                    )
        return True

    def _make(self, name: str, content: Mapping[str, object]) -> None:
        with self._asked("A secret could not be made"):
            try:
                self._client.create_secret(Name=self.path(name), **content)
            except self._refused as error:
                if _code(error) != _THERE:
                    raise

    @contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        try:
            yield
        except (self._refused, self._failed) as error:
            raise EnvironmentProblem(
                what,
                where=self.path("*"),
                why=f"AWS Secrets Manager answered {_code(error) or type(error).__name__}",
                remedy="Check the network, the region, and that this role may create, read, write "
                "and delete these secrets.",
            ) from None


def _code(error: Any) -> str:
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def connect(region: str, prefix: str) -> AwsSecrets:
    """Return the secrets of a region as this process's role sees them.

    Raises EnvironmentProblem if the client is not installed.
    """
    try:
        boto3 = import_module("boto3")
    except ImportError:
        raise EnvironmentProblem(
            "Keys in aws-sm: need the client of AWS",
            remedy="Install the extra: pip install 'telemetry-pipeline[aws]'",
        ) from None
    return AwsSecrets(boto3.client("secretsmanager", region_name=region), prefix)
