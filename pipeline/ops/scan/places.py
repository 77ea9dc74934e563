"""The grammar of everything that may exist: every file and folder of lake, state and dashboard.

One table for each root. A line gives a path, its kind, who may read it, what it holds and which
line of docs/privacy.md tells people about it. A name that no line matches is a finding, whatever
its age; so are a link, a device, and a folder where a file is expected. A new file needs one line
here and one row there; a test compares the two.

Words in braces stand for closed sets: the schemas' events, the registry's metrics, days, epochs,
random names of fixed length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Protocol

from pipeline.io import state_folder
from pipeline.io.delta.log_files import TORN_FOLDER
from pipeline.io.disk.append_log import companions
from pipeline.io.parquet.encryption import LABEL
from pipeline.io.tree import EntryKind, TreeEntry

PRIVATE = 0o077
"""Bits that a private place must not have: only its owner may look in."""
PROTECTED = 0o002
"""Bits that no place may have: not everybody may change it."""
CLOSED = 0o027
"""Bits that no folder of a lake may have: 0750 at most, so that nobody else reads its contents."""


class Holds(StrEnum):
    """What a place holds; each kind has one reader."""

    NOTHING = "nothing"
    """A lock: the file is empty."""
    FOLDER = "folder"
    ROWS = "rows of events"
    REJECTIONS = "rejections"
    STAGED = "a file that its writer has not committed yet"
    LOG_ENTRY = "log entry"
    CHECKPOINT = "checkpoint"
    LAST_CHECKPOINT = "hint to the last checkpoint"
    TORN = "what a power cut tore of a log"
    """It says no more than the entry that it was, and cannot be read as one."""
    PUBLICATION = "publication"
    MANIFEST = "manifest of publications"
    KEY = "key"
    KEY_INDEX = "index of keys"
    STANDINGS = "opt-out list"
    SNAPSHOT = "snapshot of the opt-out list"
    REQUESTS = "requests"
    RECEIPTS = "receipts"
    MARKER = "the length of a list and a hash over it"
    RECEIPTS_HEAD = "the last receipt's hash"
    HOLDS = "legal holds"
    RELEASES = "spent budgets"
    EXPIRY = "a begun expiry"
    WRITER = "a writer's lock"
    CLAIM = "a claim on a file"
    COUNTRIES = "country database"
    COUNTRIES_WORDS = "what is known of the country database"
    EXPORT = "an account's export"
    PASSING = "a file that is being written"
    SPILLED = "what a running job could not hold in memory"
    PAGE = "dashboard page"
    FIGURES = "figures of a metric"


@dataclass(frozen=True, slots=True)
class PlaceRule:
    """One line of the grammar."""

    path: str
    holds: Holds
    told: str
    """The row of docs/privacy.md, section "Where data goes"."""
    forbidden: int = PROTECTED
    kind: EntryKind = EntryKind.FILE


@dataclass(frozen=True, slots=True)
class Known:
    """The closed sets that words in braces stand for."""

    events: Iterable[str]
    metrics: Iterable[str]


@dataclass(frozen=True, slots=True)
class PlaceMatch:
    """An entry whose place is known."""

    entry: TreeEntry
    place: PlaceRule
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def day(self) -> date | None:
        """The day in the path; None if there is none."""
        return date.fromisoformat(self.words["day"]) if "day" in self.words else None


def _folder(path: str, told: str, forbidden: int = PROTECTED) -> PlaceRule:
    return PlaceRule(path, Holds.FOLDER, told, forbidden, EntryKind.FOLDER)


def _closed(path: str, told: str) -> PlaceRule:
    return _folder(path, told, CLOSED)


def _table(path: str, partition: str, rows: Holds, told: str) -> tuple[PlaceRule, ...]:
    log, day = f"{path}/_delta_log", f"{path}/{partition}={{day}}"
    return (
        _closed(path, told),
        _closed(log, told),
        PlaceRule(f"{log}/{{version}}.json", Holds.LOG_ENTRY, told),
        PlaceRule(f"{log}/{{version}}.checkpoint.parquet", Holds.CHECKPOINT, told),
        PlaceRule(f"{log}/_last_checkpoint", Holds.LAST_CHECKPOINT, told),
        _closed(f"{log}/{TORN_FOLDER}", told),
        PlaceRule(f"{log}/{TORN_FOLDER}/{{version}}.json", Holds.TORN, told),
        PlaceRule(f"{log}/{TORN_FOLDER}/{{version}}.checkpoint.parquet", Holds.TORN, told),
        PlaceRule(f"{log}/{TORN_FOLDER}/_last_checkpoint", Holds.TORN, told),
        PlaceRule(f"{log}/_commit_{{uuid}}.json.tmp", Holds.PASSING, told),
        PlaceRule(f"{log}/{{version}}.json#{{digits}}", Holds.PASSING, told),
        _closed(day, told),
        PlaceRule(f"{day}/{{part}}.parquet", rows, told),
        PlaceRule(f"{day}/.{{part}}.parquet.tmp", Holds.STAGED, told),
    )


LAKE: Sequence[PlaceRule] = (
    _folder("", "<lake>/events/<event>/"),
    _closed("events", "<lake>/events/<event>/"),
    *_table("events/{event}", "event_date", Holds.ROWS, "<lake>/events/<event>/"),
    _closed("restricted", "<lake>/restricted/<event>/"),
    *_table("restricted/{event}", "event_date", Holds.ROWS, "<lake>/restricted/<event>/"),
    *_table("rejections", "ingest_date", Holds.REJECTIONS, "<lake>/rejections/"),
    _closed("rollups", "<lake>/rollups/"),
    PlaceRule("rollups/manifest.json", Holds.MANIFEST, "<lake>/rollups/"),
    PlaceRule("rollups/.manifest.json.{digits}.tmp", Holds.PASSING, "<lake>/rollups/"),
    _closed("rollups/{metric}", "<lake>/rollups/"),
    PlaceRule("rollups/{metric}/{metric}.parquet", Holds.PUBLICATION, "<lake>/rollups/"),
    PlaceRule("rollups/{metric}/.{metric}.parquet.{digits}.tmp", Holds.PASSING, "<lake>/rollups/"),
)

SITE: Sequence[PlaceRule] = (
    _folder("", "the dashboard's folder"),
    PlaceRule("index.html", Holds.PAGE, "the dashboard's folder"),
    PlaceRule(".index.html.{digits}.tmp", Holds.PASSING, "the dashboard's folder"),
    _folder("metrics", "the dashboard's folder"),
    PlaceRule("metrics/{metric}.json", Holds.FIGURES, "the dashboard's folder"),
    PlaceRule("metrics/.{metric}.json.{digits}.tmp", Holds.PASSING, "the dashboard's folder"),
    PlaceRule("metrics/annotations.json", Holds.FIGURES, "the dashboard's folder"),
    PlaceRule("metrics/.annotations.json.{digits}.tmp", Holds.PASSING, "the dashboard's folder"),
)


class Grammar(Protocol):
    """Finds the place of everything below one root."""

    def match(self, entry: TreeEntry) -> PlaceMatch | None:
        """The place of an entry; None if no line names it."""


class TableGrammar:
    """A table of places, ready to be compared with what is there."""

    def __init__(self, places: Sequence[PlaceRule], known: Known) -> None:
        words = _words(known)
        self._places = [(re.compile(_expression(place.path, words)), place) for place in places]

    def match(self, entry: TreeEntry) -> PlaceMatch | None:
        """The place of an entry; None if no line names it."""
        for expression, place in self._places:
            found = expression.fullmatch(entry.path)
            if found is not None and _exists(found.groupdict().get("day")):
                return PlaceMatch(entry, place, found.groupdict())
        return None


class StateGrammar:
    """The state folder's places, as `io.state_folder` declares them, and what each holds."""

    def match(self, entry: TreeEntry) -> PlaceMatch | None:
        """The place of an entry; None if no line names it."""
        if not entry.path:
            return PlaceMatch(entry, _folder("", told_of(state_folder.KEYS), PRIVATE))
        declared = state_folder.place_of(entry.path)
        if declared is None:
            return self._written(entry)
        folder = declared.kind is state_folder.PlaceKind.FOLDER
        holds = Holds.FOLDER if folder else holds_of(entry.path)
        kind = EntryKind.FOLDER if folder else EntryKind.FILE
        forbidden = 0o777 & ~declared.kind.mode
        return PlaceMatch(entry, PlaceRule(entry.path, holds, told_of(entry.path), forbidden, kind))

    def _written(self, entry: TreeEntry) -> PlaceMatch | None:
        """A hidden neighbour that is about to replace a place, or a folder of exports."""
        found = _NEIGHBOUR.fullmatch(entry.path)
        declared = found and state_folder.place_of((found["folder"] or "") + found["name"])
        if not declared:
            return None
        folder = declared.kind is state_folder.PlaceKind.FOLDER
        kind = EntryKind.FOLDER if folder else EntryKind.FILE
        told = told_of(entry.path.replace("/.", "/").lstrip("."))
        return PlaceMatch(entry, PlaceRule(entry.path, Holds.PASSING, told, PRIVATE, kind))


def told_of(path: str) -> str:
    """The row of docs/privacy.md that tells people about a place of the state folder.

    >>> told_of("keys/optout.key"), told_of(".receipts.ndjson.head"), told_of(".rights.lock")
    ('<state>/keys/', '<state>/receipts.ndjson', '<state>/requests.ndjson')
    """
    top = path.partition("/")[0]
    if top in state_folder.TOP_FOLDERS:
        return f"<state>/{top}/"
    known = {state_folder.RIGHTS_LOCK: state_folder.REQUESTS, state_folder.CLOCK_PROBE: ""}
    known[state_folder.EXPIRY_LOCK] = state_folder.EXPIRY
    lists = (name for name in (*state_folder.LISTS, state_folder.EXPIRY) if name in top)
    name = known.get(top, next(lists, ""))
    return f"<state>/{name}" if name else f"<state>/{state_folder.WRITERS}/"


def holds_of(path: str) -> Holds:
    """What a file of the state folder holds, which decides its reader."""
    top, _, name = path.partition("/")
    if top in _STATE_FILES:
        return _STATE_FILES[top]
    match top:
        case state_folder.KEYS:
            return _KEY_FILES.get(name, Holds.KEY)
        case state_folder.WRITERS:
            if name == state_folder.RECOVERY_LOCK:
                return Holds.NOTHING
            return Holds.PASSING if name.endswith(".starting") else Holds.WRITER
        case state_folder.CLAIMS:
            return Holds.CLAIM
        case state_folder.COUNTRIES:
            return Holds.COUNTRIES if name == state_folder.DATABASE else Holds.COUNTRIES_WORDS
        case state_folder.EXPORTS:
            return Holds.EXPORT
        case state_folder.SPILL:
            return Holds.SPILLED
    return Holds.NOTHING


_STATE_FILES: Mapping[str, Holds] = {
    state_folder.OPTOUTS: Holds.STANDINGS,
    state_folder.OPTOUT_TABLE: Holds.SNAPSHOT,
    state_folder.REQUESTS: Holds.REQUESTS,
    state_folder.RECEIPTS: Holds.RECEIPTS,
    state_folder.HOLDS: Holds.HOLDS,
    state_folder.RELEASES: Holds.RELEASES,
    state_folder.EXPIRY: Holds.EXPIRY,
    **{companions(name)[0]: Holds.MARKER for name in state_folder.LISTS},
    state_folder.head_of(state_folder.RECEIPTS): Holds.RECEIPTS_HEAD,
    state_folder.CLOCK_PROBE: Holds.PASSING,
}
_KEY_FILES: Mapping[str, Holds] = {
    state_folder.KEY_INDEX: Holds.KEY_INDEX,
    state_folder.KEY_LOCK: Holds.NOTHING,
}
_NEIGHBOUR = re.compile(r"(?P<folder>(?:[^/]+/)*)\.(?P<name>[^/]+)\.[0-9a-f]{8}\.tmp")


def _words(known: Known) -> Mapping[str, str]:
    return {
        "event": _one_of(known.events),
        "metric": _one_of(known.metrics),
        "day": r"\d{4}-\d\d-\d\d",
        "version": r"\d{20}",
        "part": rf"(?:part|sealed|final)-[0-9a-f]{{12}}-[0-9a-f]{{32}}(?:\.{LABEL})?",
        "digits": "[0-9]{1,10}",
        "uuid": "[0-9a-f-]{36}",
    }


def _expression(path: str, words: Mapping[str, str]) -> str:
    seen: set[str] = set()

    def word(name: str) -> str:
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return f"(?P<{name}>{words[name]})"

    parts = re.split(r"\{([a-z]+)\}", path)
    return "".join(word(part) if n % 2 else re.escape(part) for n, part in enumerate(parts))


def _one_of(names: Iterable[str]) -> str:
    return f"(?:{'|'.join(map(re.escape, sorted(names))) or '(?!)'})"


def _exists(day: str | None) -> bool:
    try:
        return day is None or bool(date.fromisoformat(day))
    except ValueError:
        return False
