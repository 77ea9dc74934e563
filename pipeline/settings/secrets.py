"""From a reference to the secret itself, at the moment it is needed.

env:NAME                    an environment variable
file:/run/secrets/NAME      the first line of a file
gcp-sm:projects/P/secrets/S/versions/V   Google Cloud Secret Manager (extra `gcp`)
aws-sm:NAME or aws-sm:NAME#KEY           AWS Secrets Manager (extra `aws`): a text, or an entry of
                                         a JSON object; in the region of AWS_DEFAULT_REGION
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from pipeline.errors import EnvironmentProblem, SettingsError
from pipeline.settings.values import Secret


def reveal(secret: Secret, setting: str, environ: Mapping[str, str] | None = None) -> str:
    """Return the secret's text; `setting` names the setting in errors.

    Raises SettingsError if there is nothing behind the reference, EnvironmentProblem if the
    secret manager's client is not installed.
    """
    scheme, _, name = secret.reference.partition(":")
    try:
        if scheme == "env":
            found = (os.environ if environ is None else environ).get(name, "")
        elif scheme == "file":
            found = (Path(name).read_text("utf-8").splitlines() or [""])[0]
        elif scheme == "aws-sm":
            found = _from_aws(name, setting)
        else:
            found = _from_secret_manager(name)
    except (OSError, UnicodeDecodeError) as error:
        raise _nothing_there(setting, scheme, type(error).__name__) from None
    if not found:
        raise _nothing_there(setting, scheme, "it is empty or not set")
    return found


def _nothing_there(setting: str, scheme: str, why: str) -> SettingsError:
    return SettingsError(
        f"there is no secret behind the {scheme}: reference",
        where=setting,
        why=why,
        remedy="Check the reference, and that this user may read what it names",
    )


def _from_secret_manager(name: str) -> str:
    try:
        secretmanager = import_module("google.cloud.secretmanager")
    except ImportError:
        raise EnvironmentProblem(
            "gcp-sm: references need the client of Google Cloud Secret Manager",
            remedy="Install the extra: pip install 'telemetry-pipeline[gcp]'",
        ) from None
    client = secretmanager.SecretManagerServiceClient()
    payload = client.access_secret_version(name=name).payload.data
    return bytes(payload).decode("utf-8")


def _from_aws(name: str, setting: str) -> str:
    try:
        boto3 = import_module("boto3")
        faults = import_module("botocore.exceptions")
    except ImportError:
        raise EnvironmentProblem(
            "aws-sm: references need the client of AWS",
            remedy="Install the extra: pip install 'telemetry-pipeline[aws]'",
        ) from None
    path, _, key = name.partition("#")
    try:
        text = boto3.client("secretsmanager").get_secret_value(SecretId=path)["SecretString"]
        return str(json.loads(text)[key]) if key else str(text)
    except faults.ClientError as error:
        why = str(error.response.get("Error", {}).get("Code", "ClientError"))
        raise _nothing_there(setting, "aws-sm", f"AWS answers {why}") from None
    except faults.BotoCoreError as error:
        raise _nothing_there(setting, "aws-sm", f"of a {type(error).__name__}") from None
    except (KeyError, TypeError, ValueError):
        raise _nothing_there(setting, "aws-sm", "it is no text, or has no such entry") from None
