"""From a reference to the secret itself, at the moment it is needed.

env:NAME                    an environment variable
file:/run/secrets/NAME      the first line of a file
SCHEME:...                  a secret manager of `MANAGERS`: `references` has a module for each
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from pipeline.settings.references import aws, azure, google, vault
from pipeline.settings.references.missing import nothing_there
from pipeline.settings.values import Secret

MANAGERS: Final[Mapping[str, Callable[[str, str], str]]] = {
    "gcp-sm": google.read,
    "aws-sm": aws.read,
    "azure-kv": azure.read,
    "vault": vault.read,
}
"""What reads a reference of each scheme: its name and the setting to its text."""


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
        else:
            found = MANAGERS[scheme](name, setting)
    except (OSError, UnicodeDecodeError) as error:
        raise nothing_there(setting, scheme, type(error).__name__) from None
    if not found:
        raise nothing_there(setting, scheme, "it is empty or not set")
    return found
