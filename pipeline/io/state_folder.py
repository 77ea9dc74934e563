"""Every place below the state folder, declared once: its name, what is there, and its mode.

Commands, jobs and the audit take names from here, so that a new place is one line in `PLACES`, and
what no line describes is a finding. Nothing is opened or created here; the rooms that own the
content do that. Folders are 0700 and files 0600, except those that a library creates in a folder
of mode 0700.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pipeline.io.disk.append_log import companions


class PlaceKind(Enum):
    """What is at a place."""

    FOLDER = 0o700
    FILE = 0o600
    SPILLED = 0o666
    """DuckDB creates it, with the umask's mode; the folder around it keeps everybody out."""

    @property
    def mode(self) -> int:
        """The widest permissions that such a place may have."""
        return self.value


@dataclass(frozen=True, slots=True)
class Place:
    """One name, or a pattern of names, below the state folder."""

    pattern: re.Pattern[str]
    """What the path below the state folder looks like, `/` between folders."""
    kind: PlaceKind
    holds: str


OPTOUTS, REQUESTS, RECEIPTS = "optout.ndjson", "requests.ndjson", "receipts.ndjson"
HOLDS, RELEASES = "holds.ndjson", "releases.ndjson"
LISTS = (OPTOUTS, REQUESTS, RECEIPTS, HOLDS, RELEASES)
"""The files that only grow."""
KEYS, KEY_INDEX, KEY_LOCK = "keys", "index.json", ".lock"
WRITERS, RECOVERY_LOCK = "writers", ".recovery"
CLAIMS, EXPORTS, SPILL, TABLES = "claims", "exports", "spill", "tables"
COUNTRIES, DATABASE, DESCRIPTION = "geo", "country.mmdb", "country.json"
EXPIRY, EXPIRY_LOCK, RIGHTS_LOCK = "expiry.json", ".expiry.lock", ".rights.lock"
CLOCK_PROBE = ".clock"
OPTOUT_TABLE = f".{OPTOUTS}.table"

_HEX = "[0-9a-f]"
_TABLE = r"(?:(?:events|restricted)\.[a-z][a-z0-9_]*|rejections)"
_KEY = r"(?:optout|files|figures|(?:epoch|data)-(?:day|week|4weeks)-\d{4,7})\.key"


def stem_of(name: str) -> str:
    """Return the word under which the keystore remembers that a list was begun.

    >>> stem_of("optout.ndjson")
    'optout'
    """
    return name.partition(".")[0]


def head_of(name: str) -> str:
    """Return the hidden name of the file that remembers the last entry of a chain."""
    return f".{name}.head"


def table_note(lake: str, table: str) -> str:
    """Return the name of the note that a table of the lake at an address exists.

    >>> table_note("/srv/lake", "events/api_request")
    '5b3e4953c73127e5.events.api_request.table'
    """
    lake = hashlib.sha256(lake.encode()).hexdigest()[:16]
    return f"{lake}.{table.replace('/', '.')}.table"


def _place(pattern: str, kind: PlaceKind, holds: str) -> Place:
    return Place(re.compile(pattern), kind, holds)


def _exactly(*names: str) -> str:
    return "/".join(re.escape(name) for name in names)


PLACES: tuple[Place, ...] = (
    _place(_exactly(KEYS), PlaceKind.FOLDER, "keys, where no secret manager has them"),
    _place(_exactly(KEYS, KEY_INDEX), PlaceKind.FILE, "which keys exist, and the installation"),
    _place(_exactly(KEYS, KEY_LOCK), PlaceKind.FILE, "the lock of the keys"),
    _place(f"{KEYS}/{_KEY}", PlaceKind.FILE, "32 random bytes"),
    *(_place(_exactly(name), PlaceKind.FILE, "a list that only grows") for name in LISTS),
    *(
        _place(_exactly(companion), PlaceKind.FILE, f"the lock or the marker of {name}")
        for name in LISTS
        for companion in companions(name)
    ),
    _place(_exactly(OPTOUT_TABLE), PlaceKind.FILE, "a snapshot of the opt-out list"),
    _place(_exactly(head_of(RECEIPTS)), PlaceKind.FILE, "number and hash of the last receipt"),
    _place(_exactly(EXPIRY), PlaceKind.FILE, "the expiry that is being carried out"),
    _place(_exactly(EXPIRY_LOCK), PlaceKind.FILE, "the lock of expiries"),
    _place(_exactly(RIGHTS_LOCK), PlaceKind.FILE, "the lock of whoever carries out requests"),
    _place(_exactly(CLOCK_PROBE), PlaceKind.FILE, "a moment's probe of the disk's clock"),
    _place(_exactly(WRITERS), PlaceKind.FOLDER, "which writers are alive"),
    _place(_exactly(WRITERS, RECOVERY_LOCK), PlaceKind.FILE, "the lock of recovery"),
    _place(rf"{WRITERS}/{_HEX}{{12}}\.lock", PlaceKind.FILE, "the lock of a writer"),
    _place(rf"{WRITERS}/\.{_HEX}{{12}}\.starting", PlaceKind.FILE, "the lock of a new writer"),
    _place(_exactly(CLAIMS), PlaceKind.FOLDER, "which worker reads which file"),
    _place(rf"{CLAIMS}/[0-9a-z.-]+\.lock", PlaceKind.FILE, "the claim on a file, with a hint"),
    _place(rf"{CLAIMS}/{_HEX}{{16}}\.name", PlaceKind.FILE, "what was read under a name"),
    _place(_exactly(TABLES), PlaceKind.FOLDER, "which tables of the lake exist"),
    _place(rf"{TABLES}/{_HEX}{{16}}\.{_TABLE}\.table", PlaceKind.FILE, "that a table exists"),
    _place(_exactly(COUNTRIES), PlaceKind.FOLDER, "the imported country database"),
    _place(_exactly(COUNTRIES, DATABASE), PlaceKind.FILE, "the country database"),
    _place(_exactly(COUNTRIES, DESCRIPTION), PlaceKind.FILE, "what it is, and since when"),
    _place(_exactly(EXPORTS), PlaceKind.FOLDER, "exports of the last 30 days"),
    _place(rf"{EXPORTS}/{_HEX}{{16}}", PlaceKind.FOLDER, "the export of one account"),
    _place(
        rf"{EXPORTS}/{_HEX}{{16}}/(?:README\.md|standing\.json|[a-z_]+\.(?:jsonl|csv))",
        PlaceKind.FILE,
        "a file of an export",
    ),
    _place(_exactly(SPILL), PlaceKind.FOLDER, "what a running job could not hold in memory"),
    _place(rf"{SPILL}/{_HEX}{{12}}", PlaceKind.FOLDER, "what one job could not hold in memory"),
    _place(rf"{SPILL}/{_HEX}{{12}}\.lock", PlaceKind.FILE, "the lock of a running job"),
    _place(rf"{SPILL}/{_HEX}{{12}}/[\w.-]+", PlaceKind.SPILLED, "rows of a running job"),
)

TOP_FOLDERS = frozenset({KEYS, WRITERS, CLAIMS, TABLES, COUNTRIES, EXPORTS, SPILL})
TOP_NAMES = TOP_FOLDERS | {*LISTS, EXPIRY}
"""What a listing of the state folder may show, apart from hidden names."""


def place_of(path: str) -> Place | None:
    """Return the place of a path below the state folder; None if no line describes it.

    >>> place_of("keys/optout.key").kind.name
    'FILE'
    >>> place_of("notes.txt") is None
    True
    """
    return next((place for place in PLACES if place.pattern.fullmatch(path)), None)


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The places of one state folder, as paths. Creating one reads nothing."""

    root: Path

    @property
    def keys(self) -> Path:
        """The folder of the local keystore."""
        return self.root / KEYS

    @property
    def optouts(self) -> Path:
        """The local opt-out list."""
        return self.root / OPTOUTS

    @property
    def requests(self) -> Path:
        """The queue of rights requests."""
        return self.root / REQUESTS

    @property
    def receipts(self) -> Path:
        """The chain of receipts."""
        return self.root / RECEIPTS

    @property
    def holds(self) -> Path:
        """The legal holds."""
        return self.root / HOLDS

    @property
    def releases(self) -> Path:
        """The ledger of the privacy budget."""
        return self.root / RELEASES

    @property
    def expiry(self) -> Path:
        """The expiry that is being carried out."""
        return self.root / EXPIRY

    @property
    def expiry_lock(self) -> Path:
        """The lock of expiries."""
        return self.root / EXPIRY_LOCK

    @property
    def rights_lock(self) -> Path:
        """The lock of the process that carries out requests."""
        return self.root / RIGHTS_LOCK

    @property
    def writers(self) -> Path:
        """The locks of living writers."""
        return self.root / WRITERS

    @property
    def claims(self) -> Path:
        """Which worker reads which file."""
        return self.root / CLAIMS

    @property
    def tables(self) -> Path:
        """Which tables of the lake exist."""
        return self.root / TABLES

    @property
    def exports(self) -> Path:
        """The exports of the last 30 days."""
        return self.root / EXPORTS

    @property
    def spill(self) -> Path:
        """What running jobs could not hold in memory."""
        return self.root / SPILL

    @property
    def countries(self) -> Path:
        """The folder of the imported country database."""
        return self.root / COUNTRIES

    @property
    def clock_probe(self) -> Path:
        """A short-lived probe of the disk's clock."""
        return self.root / CLOCK_PROBE
