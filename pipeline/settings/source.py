"""What every source's section holds, and what a kind of source declares for its own keys.

A kind of source is a subclass in the source's own folder: its fields are the settings that it adds.
This room knows no kind; it gets them as an argument (`declared.Declared`).
"""

# `setting` returns a dataclass field, which is what a default may be.

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pipeline.errors import SettingsError
from pipeline.settings.values import choice, setting, text


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One input of one event; any number of `[sources.NAME]` sections, one of files or servers."""

    WHAT: ClassVar[str] = ""
    """What a source of this kind is, in the words of its settings: `servers and a topic`."""
    EXAMPLE: ClassVar[str] = ""
    """The settings that it needs, as they are written."""
    NEEDS: ClassVar[tuple[str, ...]] = ()
    """Settings that distinguish the kind from the others; a source has all of them."""
    PATHS: ClassVar[tuple[str, ...]] = ()
    """Settings that are lists of paths: relative ones start at the folder of the settings file."""

    event: str = setting(
        "", text, "Event that this source carries. Required, unless a format says it."
    )
    format: str | None = setting(
        None,
        text,
        "Format of its lines: the name of a packaged one (`telemetry schema formats`), or the path "
        "of a format file. Default: the event's own JSON.",
    )
    envelope: str | None = setting(
        None,
        choice("none", "cri", "docker"),
        "What a container runtime has put around each line. Default: as the format says.",
    )


def kind_of(
    kinds: Sequence[type[SourceSettings]], values: Mapping[str, object], place: str
) -> type[SourceSettings]:
    """The kind of the source that has these settings.

    Raises SettingsError if it is none or several of them, or lacks what every source has.
    """
    if not values.get("event") and values.get("format") is None:
        raise SettingsError(
            "the source has no event",
            where=place,
            remedy='Add event = "api_request", or a format: format = "nginx_json"',
        )
    if values.get("envelope") is not None and values.get("format") is None:
        raise SettingsError(
            "an envelope applies to the lines of a format, and the source has none",
            where=f"{place}.envelope",
            remedy='Add format = "nginx_json", or remove the envelope',
        )
    named = {key for key, value in values.items() if value}
    begun = [kind for kind in kinds if named.intersection(kind.NEEDS)]
    if len(begun) != 1 or not named.issuperset(begun[0].NEEDS):
        raise SettingsError(
            f"a source is either {', or '.join(kind.WHAT for kind in kinds)}",
            where=place,
            remedy=f"Give {', or '.join(kind.EXAMPLE for kind in kinds)}",
        )
    own = {field.name for field in dataclasses.fields(begun[0])}
    for key in values:
        if key not in own:
            raise SettingsError(
                f"the setting has no effect on a source of {begun[0].WHAT}",
                where=f"{place}.{key}",
                remedy="Remove it",
            )
    return begun[0]
