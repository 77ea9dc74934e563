"""Releases, incidents and notes that the charts mark, from a TOML file.

[[annotation]]
day = 2026-11-09
kind = "incident"        # release, incident or note
text = "Queue full in eu-central-1"
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date

from pipeline.errors import SettingsError
from pipeline.parsing import parse_toml

KINDS = ("release", "incident", "note")
LONGEST_TEXT = 80
PERSONAL = re.compile(r"\S@\S|[0-9a-fA-F]{16}|(?:\d{1,3}\.){3}\d|(?:[0-9a-fA-F]{1,4}:){3}")
"""What looks like an e-mail, a token or an address."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One mark on the time axis."""

    day: date
    kind: str
    text: str

    def as_json(self) -> dict[str, str]:
        """The mark as the page's data holds it."""
        return {"day": self.day.isoformat(), "kind": self.kind, "text": self.text}

    @classmethod
    def of_json(cls, entry: object) -> Annotation:
        """The mark that a page's data holds. Raises SettingsError, or ValueError for its day."""
        if not isinstance(entry, dict) or not isinstance(entry.get("day"), str):
            raise _refuse("page", "an annotation has day, kind and text")
        return _annotation({**entry, "day": date.fromisoformat(entry["day"])}, "page")


def parse_annotations(text: str, where: str) -> list[Annotation]:
    """Read the marks, oldest first. Raises SettingsError naming `where` and the remedy."""
    try:
        document = parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        raise _refuse(where, f"it is not TOML: {error}") from None
    entries = document.get("annotation", [])
    if set(document) - {"annotation"} or not isinstance(entries, list):
        raise _refuse(where, "only [[annotation]] tables are expected")
    return sorted((_annotation(entry, where) for entry in entries), key=lambda note: note.day)


def _annotation(entry: object, where: str) -> Annotation:
    if not isinstance(entry, dict) or set(entry) != {"day", "kind", "text"}:
        raise _refuse(where, "an annotation has day, kind and text")
    day, kind, text = entry["day"], entry["kind"], entry["text"]
    if type(day) is not date:
        raise _refuse(where, "day must be a date such as 2026-11-09, without quotes")
    if kind not in KINDS:
        raise _refuse(where, "kind must be one of " + ", ".join(KINDS))
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST_TEXT:
        raise _refuse(where, f"text must have 1 to {LONGEST_TEXT} characters")
    if PERSONAL.search(text):
        raise _refuse(
            where, "text names an address, an e-mail or a token: the page is for everybody"
        )
    return Annotation(day, kind, text)


def _refuse(where: str, why: str) -> SettingsError:
    return SettingsError("the annotations do not load", where=where, why=why)
