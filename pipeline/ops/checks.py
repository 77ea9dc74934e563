"""Every check of an audit, by name."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.io.resources import packaged_text
from pipeline.ops.audit import Check, Promise, parse_promises
from pipeline.ops.checks_encryption import ENCRYPTION
from pipeline.ops.checks_rights import RIGHTS
from pipeline.ops.checks_settings import SETTINGS
from pipeline.ops.checks_stored import STORED

PROMISES = "promises.yaml"
CHECKS: Mapping[str, Check] = {**STORED, **ENCRYPTION, **RIGHTS, **SETTINGS}


def packaged_promises() -> tuple[Promise, ...]:
    """The promises that come with the package."""
    return parse_promises(packaged_text(PROMISES), PROMISES, CHECKS)
