"""Every audit check, by name."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.events.promises import Promise
from pipeline.io.package_data import PROMISES, load_promises
from pipeline.ops.audit.audit import Check, proven
from pipeline.ops.audit.check_encryption import ENCRYPTION
from pipeline.ops.audit.check_figures import FIGURES
from pipeline.ops.audit.check_installation import INSTALLATION
from pipeline.ops.audit.check_rights import RIGHTS
from pipeline.ops.audit.check_settings import SETTINGS
from pipeline.ops.audit.check_stored import STORED

CHECKS: Mapping[str, Check] = {
    **STORED,
    **ENCRYPTION,
    **FIGURES,
    **RIGHTS,
    **SETTINGS,
    **INSTALLATION,
}


def packaged_promises() -> tuple[Promise, ...]:
    """The promises that come with the package, each with checks that exist."""
    promises = load_promises()
    proven(promises, CHECKS, PROMISES)
    return promises
