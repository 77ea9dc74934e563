"""From settings to a lake whose installation was checked: for whatever writes or destroys.

A state folder that does not belong to the lake is refused (exit code 4); lake and lists of version
0.1 are adopted, with a line that says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.cli.wiring.lists import mark_old_lists
from pipeline.cli.wiring.opening import existing_keys, open_lake
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.io.lake.lake import Lake

LOG = logging.getLogger(__name__)
ADOPTED = (
    "This lake was written by version 0.1: its tables now carry the id of this installation, and "
    "another state folder is refused from now on"
)


def open_fitting_lake(settings: Settings, now: Callable[[], datetime]) -> Lake:
    """The lake, after a comparison of its tables with the keys.

    Raises WrongInstallation, and LakeError for a table whose log is gone.
    """
    from pipeline.ops.installation import require_fit

    lake = open_lake(settings, now)
    keys = existing_keys(settings, now)
    days = settings.privacy.retention_days
    if require_fit(lake, keys, now(), days, str(settings.need_state())):
        LOG.warning(ADOPTED)
    mark_old_lists(settings)
    return lake
