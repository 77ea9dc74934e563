"""From settings to the state folder: its places, and the folder itself where something is written.

Nothing else turns the setting into paths. A run refuses a folder that other accounts may
enter; what was made for this account alone stays so.
"""

from __future__ import annotations

import stat
from pathlib import Path

from pipeline.errors import EnvironmentProblem
from pipeline.io.state_folder import StateFolder
from pipeline.settings import Settings


def state_places(settings: Settings) -> StateFolder:
    """The places of the state folder; nothing is made. SettingsError if none is set."""
    return StateFolder(settings.need_state())


def open_state(settings: Settings) -> Path:
    """The state folder, made for this user alone if it is not there yet."""
    from pipeline.io.disk.errors import state_faults
    from pipeline.io.disk.locks import make_private_folder

    state = settings.need_state()
    with state_faults("The state folder could not be made", str(state)):
        make_private_folder(state)
    return state


def open_private_state(settings: Settings) -> Path:
    """The same, for a run: EnvironmentProblem if other accounts may look into the folder."""
    from pipeline.io.disk.errors import state_faults

    state = open_state(settings)
    with state_faults("The state folder could not be used", str(state)):
        mode = stat.S_IMODE(state.stat().st_mode)
    if mode & 0o077:
        raise EnvironmentProblem(
            "The state folder is open to other accounts",
            where=str(state),
            why=f"its mode is {mode:o}; keys, lists and receipts lie in it",
            remedy=f"Run: chmod 0700 {state}",
        )
    return state


def opened_places(settings: Settings) -> StateFolder:
    """The places of the state folder, which is there afterwards; see `open_state`."""
    return StateFolder(open_state(settings))
