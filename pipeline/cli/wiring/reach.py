"""Whether the workers of another runner reach what the settings name.

Folders belong to one machine unless somebody mounts them. On Dataflow nobody does, and each worker
would make its own lake and keys; a Flink cluster may have a shared disk, which cannot be
seen from here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pipeline.cli.wiring.opening import kinds_of
from pipeline.errors import SettingsError
from pipeline.flow.runners.beam_options import DATAFLOW, FLINK, named_words
from pipeline.settings import Settings

LOG = logging.getLogger(__name__)

_HERE = ("[", "localhost", "127.0.0.1")


def check_reach(settings: Settings, runner: str, beam_words: Sequence[str]) -> None:
    """Refuse things that are in folders, or warn about them for a Flink cluster elsewhere.

    Raises `SettingsError`.
    """
    folders = _in_folders(settings)
    if not folders:
        return
    if runner == DATAFLOW:
        raise SettingsError(
            "workers of Dataflow have no common folder",
            where=", ".join(folders),
            remedy="Use a bucket for the lake, keys in a secret manager, topics for events and the "
            "opt-out list; deploy/dataflow/telemetry.toml shows how",
        )
    master = named_words(beam_words).get("flink_master", "").partition("://")
    if runner == FLINK and not (master[2] or master[0]).startswith(_HERE):
        LOG.warning(
            "All workers must see the same folders at the same paths: %s", ", ".join(folders)
        )


def _in_folders(settings: Settings) -> list[str]:
    """The settings that name things in folders, where all workers need the same."""
    found = []
    if "://" not in settings.need_lake():
        found.append("lake.path")
    if settings.state.keys is None:
        found.append("state.path (keys)")
    if settings.kafka.optout_topic is None:
        found.append("state.path (opt-out list)")
    found += [
        f"sources.{name}.{setting}"
        for name, source in kinds_of(settings)
        for setting in source.FOLDERS
    ]
    return found
