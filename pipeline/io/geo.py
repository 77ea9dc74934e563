"""Countries of addresses, from an MMDB file; nothing finer than a country is ever read.

What is looked up is the first address of an already truncated network. A miss, a malformed code
and an address family that the database lacks are `ZZ`; they never fail an event. Addresses and
the messages of libraries (which quote addresses) do not leave this module.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import NoReturn

import geoip2.database
import maxminddb
from geoip2.errors import AddressNotFoundError

from pipeline.errors import EnvironmentProblem
from pipeline.io.disk.errors import state_faults
from pipeline.io.disk.locks import make_private_folder
from pipeline.io.disk.private import write_private
from pipeline.io.package_data import packaged
from pipeline.io.state_folder import DATABASE, DESCRIPTION, StateFolder

UNKNOWN = "ZZ"
MEMO_LIMIT = 65_536
PROBED = 100
"""How many records are read when a database is opened."""
DEMO_TYPE = "Demo-Country"
WARN_AGE_DAYS, FAIL_AGE_DAYS = 45, 180
"""A database this old misplaces networks; `doctor` warns, then fails."""

_CODE = re.compile(r"[A-Z]{2}")
_CREDITS = {
    "DBIP": "IP geolocation by DB-IP (https://db-ip.com), CC BY 4.0",
    "GeoLite2": "This product includes GeoLite2 data created by MaxMind (https://www.maxmind.com)",
}
"""Lines that a database's licence requires to be shown, by the prefix of its type."""


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """What is known about a country database."""

    type: str
    built_on: date
    credit: str | None
    """A line that pages and dictionaries must show; None if the licence requires none."""

    @property
    def demo(self) -> bool:
        """Whether this is the database of made-up countries for demo and tests."""
        return self.type == DEMO_TYPE

    def age_days(self, today: date) -> int:
        """Days since the database was built."""
        return (today - self.built_on).days


class CountryDatabase:
    """An open country database; `path` None is the packaged demo database.

    Accepts country, city and enterprise databases in MaxMind's layout, and flat ones with a field
    `country_code`, `country` or `iso_code`. Raises EnvironmentProblem if the file is missing,
    corrupt or of another kind. Not picklable: open it where it is used. The file is read once, when
    it is opened: a later replacement is used from the next start on.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._where = str(path or packaged() / "geo" / "demo-country.mmdb")
        try:
            with _private_copy(Path(self._where)) as copy:
                self._open(str(copy))
        except FileNotFoundError:
            raise _problem("is missing", self._where) from None
        except (maxminddb.InvalidDatabaseError, OSError, ValueError, OverflowError):
            raise _problem("is corrupt or not an MMDB file", self._where) from None

    def _open(self, copy: str) -> None:
        self._reader = geoip2.database.Reader(copy)
        metadata = self._reader.metadata()
        kind = metadata.database_type
        self.info = DatabaseInfo(
            type=kind,
            built_on=datetime.fromtimestamp(metadata.build_epoch, UTC).date(),
            credit=next((text for name, text in _CREDITS.items() if name in kind), None),
        )
        self._find = self._finder(kind, copy)
        self._memo: dict[str, str] = {}
        self._probe(copy)

    def __call__(self, network: str) -> str:
        """See `country`."""
        return self.country(network)

    def country(self, address: str) -> str:
        """Return the ISO 3166 alpha-2 code of the country that `address` lies in, or `ZZ`.

        Answers are remembered, up to a limit. Raises EnvironmentProblem if the file turns out to
        be corrupt.
        """
        known = self._memo.get(address)
        if known is not None:
            return known
        try:
            code = self._find(address)
        except (AddressNotFoundError, ValueError):
            code = None
        except (maxminddb.InvalidDatabaseError, OSError, TypeError, AttributeError):
            raise _problem("is corrupt", self._where) from None
        answer = code if code is not None and _CODE.fullmatch(code) else UNKNOWN
        if len(self._memo) >= MEMO_LIMIT:
            self._memo.clear()
        self._memo[address] = answer
        return answer

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def __repr__(self) -> str:
        return f"CountryDatabase({self.info.type!r}, built_on={self.info.built_on})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a database is opened where it is used, and never sent there")

    def _finder(self, kind: str, copy: str) -> Callable[[str], str | None]:
        """Return the lookup that fits the database's type: `country()` refuses the others."""
        reader = self._reader
        if "City" in kind:
            return lambda address: reader.city(address).country.iso_code
        if "Enterprise" in kind:
            return lambda address: reader.enterprise(address).country.iso_code
        if "Country" in kind and not _is_flat(copy):
            return lambda address: reader.country(address).country.iso_code
        self._flat = maxminddb.open_database(copy)
        return lambda address: _flat_code(self._flat.get(address))

    def _probe(self, copy: str) -> None:
        """Read some records: a file with a good header and a broken body must get no further."""
        with maxminddb.open_database(copy) as database:
            codes = [
                self.country(str(network.network_address))
                for network, _ in islice(database, PROBED)
            ]
        if not any(code != UNKNOWN for code in codes):
            raise EnvironmentProblem(
                "The database holds no countries",
                where=self._where,
                why="none of its first records holds an ISO 3166 code",
                remedy="Import a country database, for example DB-IP Lite Country or GeoLite2.",
            )


def _is_flat(copy: str) -> bool:
    """Whether the records lack MaxMind's nesting, as those of some providers do."""
    parts = ("country", "registered_country", "continent")
    with maxminddb.open_database(copy) as database:
        return not any(
            isinstance(record, Mapping) and isinstance(record.get(part), Mapping)
            for _, record in islice(database, PROBED)
            for part in parts
        )


@contextmanager
def _private_copy(path: Path) -> Iterator[Path]:
    """Copy a database to a file of our own, which loses its name once it is open.

    The reader maps the file into memory. Overwriting or truncating a mapped file
    changes answers under a running pipeline, or ends it with SIGBUS.
    """
    with tempfile.NamedTemporaryFile(prefix="country-", suffix=".mmdb") as copy:
        with path.open("rb") as source:
            shutil.copyfileobj(source, copy)
        copy.flush()
        yield Path(copy.name)


def _flat_code(record: object) -> str | None:
    if not isinstance(record, Mapping):
        return None
    for name in ("country_code", "iso_code", "country"):
        code = record.get(name)
        if isinstance(code, str):
            return code
    return None


def _problem(what: str, where: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"The country database {what}",
        where=where,
        remedy="Run `telemetry geoip import FILE` with a country MMDB, or unset `geo.database` "
        "to use the demo database.",
    )


def import_database(source: Path, state: Path, now: datetime) -> DatabaseInfo:
    """Check a country database and keep a copy of it in the state folder, replacing an earlier one.

    Raises EnvironmentProblem, and keeps the earlier copy, if the file is not such a database.
    """
    opened = CountryDatabase(source)
    opened.close()
    folder = StateFolder(state).countries
    with state_faults("The country database could not be stored", str(folder)):
        content = source.read_bytes()
        make_private_folder(folder)
        write_private(folder / DATABASE, content)
        described = asdict(opened.info) | {
            "built_on": opened.info.built_on.isoformat(),
            "sha256": sha256(content).hexdigest(),
            "imported_at": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        write_private(folder / DESCRIPTION, json.dumps(described, indent=1).encode())
    return opened.info


def installed_database(state: Path | None) -> Path | None:
    """Return the path of the imported database, or None if there is none."""
    path = None if state is None else StateFolder(state).countries / DATABASE
    return path if path is not None and path.exists() else None
