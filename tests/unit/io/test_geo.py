"""Countries come from an MMDB file of any maker, and what cannot be told is ZZ."""

from __future__ import annotations

import ipaddress
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]

from deploy.geo.make_demo_mmdb import BUILT, COUNTRIES, TARGET, parts, write
from pipeline.errors import EnvironmentProblem
from pipeline.io import geo
from pipeline.io.geo import CountryDatabase, import_database, installed_database
from tests.rules.sources import ROOT

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def made(path: Path, kind: str, record: Callable[[str], Any], version: int = 6) -> Path:
    writer = MMDBWriter(
        ip_version=version,
        ipv4_compatible=version == 6,
        database_type=kind,
        languages=["en"],
        description="test",
    )
    networks = {"198.18.0.0/16": "DE", "198.19.0.0/16": "FR", "2001:db8::/48": "JP"}
    for network, country in networks.items():
        if version == 6 or "." in network:
            writer.insert_network(IPSet([network]), record(country))
    writer.to_db_file(str(path))
    return path


def nested(country: str) -> dict[str, Any]:
    names = {"en": "Somewhere"}
    return {
        "country": {"iso_code": country, "names": names, "geoname_id": 1},
        "registered_country": {"iso_code": "US", "names": names},
        "city": {"names": {"en": "Geheim"}},
        "location": {"latitude": 1.5, "longitude": 2.5},
    }


LAYOUTS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "GeoLite2": ("GeoLite2-Country", nested),
    "DB-IP": ("DBIP-Country-Lite", nested),
    "city": ("GeoIP2-City", nested),
    "enterprise": ("GeoIP2-Enterprise", nested),
    "flat country_code": ("ipinfo generic_country.mmdb", lambda c: {"country_code": c}),
    "flat country": ("Country ASN", lambda c: {"country": c, "asn": "AS1"}),
    "flat iso_code": ("anything", lambda c: {"iso_code": c}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_countries_are_read_from_every_layout(tmp_path: Path, layout: str) -> None:
    kind, record = LAYOUTS[layout]
    database = CountryDatabase(made(tmp_path / "x.mmdb", kind, record))
    addresses = ("198.18.7.0", "198.19.0.0", "2001:db8::", "8.8.8.0", "2001:db9::")
    assert [database.country(a) for a in addresses] == ["DE", "FR", "JP", "ZZ", "ZZ"]
    assert database("198.18.7.0") == "DE"
    database.close()


def test_an_ipv4_database_knows_no_ipv6_address(tmp_path: Path) -> None:
    database = CountryDatabase(made(tmp_path / "x.mmdb", "GeoLite2-Country", nested, 4))
    assert database.country("198.18.0.0") == "DE"
    assert database.country("2001:db8::") == "ZZ"


@pytest.mark.parametrize("code", ["deu", "de", "D", "", "DE ", "<script>", "Ä1"])
def test_a_code_that_is_not_two_capitals_is_unknown(tmp_path: Path, code: str) -> None:
    def record(country: str) -> dict[str, Any]:
        return {"country": {"iso_code": code if country == "DE" else country}}

    database = CountryDatabase(made(tmp_path / "x.mmdb", "Test-Country", record))
    assert [database.country(a) for a in ("198.18.0.0", "198.19.0.0")] == ["ZZ", "FR"]


def test_a_record_without_country_is_unknown_not_that_of_the_registry(tmp_path: Path) -> None:
    def record(country: str) -> dict[str, Any]:
        return nested(country) if country != "DE" else {"registered_country": {"iso_code": "US"}}

    database = CountryDatabase(made(tmp_path / "x.mmdb", "GeoLite2-Country", record))
    assert [database.country(a) for a in ("198.18.0.0", "198.19.0.0")] == ["ZZ", "FR"]


@pytest.mark.parametrize("text", ["", "x", "alice@example.com", "1.2.3", "::1%eth0", "1.2.3.4/8"])
def test_what_is_not_an_address_is_unknown(text: str) -> None:
    assert CountryDatabase().country(text) == "ZZ"


def test_the_packaged_database_gives_each_country_its_sixteenth() -> None:
    database = CountryDatabase()
    for network, country in parts():
        inside = ipaddress.ip_network(network)
        assert database.country(str(inside[0])) == country
        assert database.country(str(inside[-1])) == country
    assert len(set(COUNTRIES)) == 16
    for outside in ("198.17.255.255", "198.20.0.0", "2001:db7:ffff::", "2001:db9::", "8.8.8.8"):
        assert database.country(outside) == "ZZ"
    assert database.info.demo
    assert database.info.built_on == BUILT.date() == date(2026, 11, 1)
    assert database.info.credit is None


def test_the_packaged_database_is_what_the_script_makes(tmp_path: Path) -> None:
    write(tmp_path / "again.mmdb")
    assert (tmp_path / "again.mmdb").read_bytes() == TARGET.read_bytes()
    assert TARGET.stat().st_size < 2048


def test_answers_are_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geo, "MEMO_LIMIT", 3)
    database = CountryDatabase()
    for number in range(10):
        assert database.country(f"198.18.{number}.0") == "US"
        assert len(database._memo) <= 3


def test_a_database_is_not_sent_to_another_process() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(CountryDatabase())


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"\x00" * 4096, b"\xab\xcd\xefMaxMind.com", b"\xab\xcd\xefMaxMind.com\xe0"],
)
def test_a_file_that_is_no_database_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.mmdb"
    path.write_bytes(content)
    with pytest.raises(EnvironmentProblem, match="geoip import"):
        CountryDatabase(path)


def test_a_missing_database_is_told(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="is missing"):
        CountryDatabase(tmp_path / "none.mmdb")
    with pytest.raises(EnvironmentProblem):
        CountryDatabase(tmp_path)


def test_a_damaged_body_never_gives_anything_but_a_code_or_an_error(tmp_path: Path) -> None:
    whole = TARGET.read_bytes()
    path = tmp_path / "bad.mmdb"
    answers = set()
    for position in range(0, len(whole) - 200, 29):
        path.write_bytes(whole[:position] + b"\xff\xff" + whole[position + 2 :])
        try:
            database = CountryDatabase(path)
            answers |= {database.country(a) for a in ("198.18.0.0", "198.19.255.0", "2001:db8::")}
        except EnvironmentProblem as problem:
            assert "198." not in str(problem)
            assert problem.__cause__ is None
    assert all(len(answer) == 2 and answer.isupper() for answer in answers)


def test_a_database_without_countries_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "asn.mmdb", "GeoLite2-ASN", lambda c: {"autonomous_system_number": 1})
    with pytest.raises(EnvironmentProblem, match="holds no countries"):
        CountryDatabase(path)


def test_an_import_is_kept_with_its_description_and_replaces_another(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert installed_database(state) is None
    assert installed_database(None) is None
    import_database(made(tmp_path / "a.mmdb", "GeoLite2-Country", nested), state, NOW)
    info = import_database(made(tmp_path / "b.mmdb", "DBIP-Country-Lite", nested), state, NOW)
    assert info.credit is not None
    assert "DB-IP" in info.credit
    assert not info.demo
    path = installed_database(state)
    assert path is not None
    assert CountryDatabase(path).info == info
    described = json.loads((state / "geo" / "country.json").read_text())
    assert described["type"] == "DBIP-Country-Lite"
    assert described["imported_at"] == "2026-11-24T12:00:00Z"
    assert info.age_days(date.fromisoformat(described["built_on"])) == 0


def test_a_refused_import_leaves_what_was_there(tmp_path: Path) -> None:
    state = tmp_path / "state"
    first = import_database(made(tmp_path / "a.mmdb", "GeoLite2-Country", nested), state, NOW)
    (tmp_path / "bad.mmdb").write_bytes(b"x" * 3000)
    for bad in (tmp_path / "bad.mmdb", tmp_path / "none.mmdb", tmp_path):
        with pytest.raises(EnvironmentProblem):
            import_database(bad, state, NOW)
    path = installed_database(state)
    assert path is not None
    assert CountryDatabase(path).info == first
    assert not list((state / "geo").glob(".*tmp"))


DESTROYED = """
import os, sys
from pathlib import Path
from pipeline.io.geo import CountryDatabase
path = Path(sys.argv[1])
database = CountryDatabase(path)
with path.open("r+b") as file:
    if sys.argv[2] == "cut":
        file.truncate(0)
    else:
        file.write(bytes(path.stat().st_size))
print(database.country("198.18.0.0"))
"""


@pytest.mark.parametrize("how", ["cut", "overwritten"])
def test_a_database_that_is_destroyed_while_it_is_used_changes_no_answer(
    tmp_path: Path, how: str
) -> None:
    path = made(tmp_path / "x.mmdb", "GeoLite2-Country", nested, 4)
    done = subprocess.run(
        [sys.executable, "-c", DESTROYED, str(path), how],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "DE\n"), done.stderr


def test_an_open_database_leaves_no_copy_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = tmp_path / "tmp"
    copies.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(copies))
    database = CountryDatabase()
    assert list(copies.iterdir()) == []
    assert database.country("198.18.0.0") == "US"
