"""AWS Secrets Manager as a key store: how settings name it, and what opens it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.io.keys.kind import KeystoreKind

if TYPE_CHECKING:
    from pipeline.io.keys.keystore import Keystore


def _open(reference: str, *, now: Callable[[], datetime], retention_days: int) -> Keystore:
    from pipeline.io.keys.aws_api import connect
    from pipeline.io.keys.secret_manager import SecretManagerKeystore

    region, _, prefix = reference.partition(":")[2].partition("/")
    return SecretManagerKeystore(connect(region, prefix), now=now, retention_days=retention_days)


AWS_SECRETS = KeystoreKind(
    "aws-sm:REGION/PREFIX",
    re.compile(r"aws-sm:[a-z]{2}(-[a-z]+)+-\d/[A-Za-z0-9/_+=.@-]{1,200}"),
    "AWS Secrets Manager in a region, as secrets whose names begin with a prefix of your choice.",
    _open,
)
