"""The audit check that keys and lake belong together."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import counted
from pipeline.ops.audit.audit import Audited, Check, Observation, unless
from pipeline.ops.installation import look


def _installation_fits(audited: Audited) -> Observation:
    fit = look(audited.lake, audited.keys(), audited.now, audited.retention_days)
    found = list(fit.misfits)
    found += [
        f"{table.log.uri}: says nothing of its installation, as version 0.1 left it"
        for table in fit.unmarked
    ]
    return unless(
        found,
        f"{counted(fit.tables, 'table')}, written with these keys",
        "keys and lake do not fit",
    )


INSTALLATION: Mapping[str, Check] = {
    "installation_fits": Check(
        "installation_fits",
        "logs and keys",
        "The lake was written with these keys: whoever opted out or was erased is known to them.",
        _installation_fits,
    )
}
