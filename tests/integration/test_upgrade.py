"""A lake and state folder of version 0.1 are read, continued, sealed, erased from and expired.

The archive in `tests/fixtures/lake_0_1` was written by the last commit of 0.1. Facts beside the
lakes are what 0.1 itself said of them.
"""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from pipeline.io.keys.installation import INSTALLATION, number_of
from pipeline.io.keys.local import LocalKeystore
from tests.installation import Installation, restored, unpack

SETTLED = "2026-12-02T12:00:00Z"
"""Every day has its final seal, and the second pass of erasures is due."""
HELD = "2027-02-20T12:00:00Z"
"""Every day is due, and one of them is held."""
GONE = "2027-03-10T12:00:00Z"
"""Every day is too old, and so is the last day of its epoch."""
EVENTS = ("api_request", "session", "feature_use", "error_log")


class Installed(Installation):
    """One installation of 0.1, and what the tests ask of it."""

    def rows(self, event: str, now: str | None = None) -> int:
        (found,) = self.ask("sql", f"SELECT count(*) AS n FROM {event}", now=now)
        return int(found["n"])

    def facts(self, event: str) -> Any:
        return json.loads((self.folder / f"facts-{event}.json").read_text())

    def close_folders(self) -> None:
        """`chmod -R o-rwx` of the lake, as docs/operations.md says."""
        for path in (self.lake, *self.lake.rglob("*")):
            path.chmod(path.stat().st_mode & 0o770)

    def broken(self, now: str | None = None) -> set[str]:
        """The checks that the audit calls broken."""
        return set(self.checks("broken", now))

    def checks(self, verdict: str, now: str | None = None) -> list[str]:
        found = json.loads(self.call("audit", now=now)[1])
        return [
            check["check"]
            for promise in found["promises"]
            for check in promise["checks"]
            if check["verdict"] == verdict
        ]

    def people(self, name: str) -> list[str]:
        """The account ids of one of the lists beside the lake."""
        return (self.folder / f"{name}.txt").read_text().split()

    def late(self, account: str, day: str = "2026-11-23") -> dict[str, Any]:
        """One more session, read by a run of its own; return the run's account."""
        file = self.folder / "input" / "session" / f"late-{account}.ndjson"
        file.write_text(session_of(account, day))
        told: dict[str, Any] = self.ask("run", "--once")
        return told


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("of-0.1"))


@pytest.fixture
def plain(unpacked: Path, tmp_path: Path) -> Installed:
    return Installed(restored(unpacked / "plain", tmp_path / "plain").folder)


@pytest.fixture
def encrypted(unpacked: Path, tmp_path: Path) -> Installed:
    return Installed(restored(unpacked / "encrypted", tmp_path / "encrypted").folder)


@pytest.mark.parametrize("event", EVENTS)
def test_rows_of_0_1_are_read_as_0_1_read_them(plain: Installed, event: str) -> None:
    found = plain.ask("sql", facts_query(event))
    assert len(found) > 5
    assert found == plain.facts(event)


def test_encrypted_rows_of_0_1_are_read_as_0_1_read_them(encrypted: Installed) -> None:
    found = encrypted.ask("sql", facts_query("session"))
    assert found == encrypted.facts("session")
    assert sum(day["rows"] for day in found) == 58


def test_status_shows_the_tables_that_0_1_showed(plain: Installed) -> None:
    told = json.loads((plain.folder / "status.json").read_text())
    now = plain.ask("status")
    assert {name: table["rows"] for name, table in now["tables"].items()} == {
        name: table["rows"] for name, table in told["tables"].items()
    }
    assert now["keys"] == told["keys"]


def test_the_first_run_adopts_the_lake_and_says_so_once(plain: Installed) -> None:
    assert "installation_fits" in plain.broken()
    first, second = plain.call("run", "--once"), plain.call("run", "--once")
    assert (first[0], second[0]) == (0, 0)
    assert "installation_fits" in plain.checks("kept")
    mine = LocalKeystore(plain.state / "keys", now=lambda: datetime.now(UTC)).installation()
    assert mine is not None
    tables = [*plain.lake.glob("events/*"), *plain.lake.glob("restricted/*")]
    assert len(tables) == 6
    assert {DeltaTable(str(table)).transaction_version(INSTALLATION) for table in tables} == {
        number_of(mine)
    }


def test_another_state_folder_is_refused_after_the_first_run(
    plain: Installed, encrypted: Installed
) -> None:
    plain.ask("run", "--once")
    shutil.rmtree(plain.state)
    shutil.copytree(encrypted.state, plain.state)
    assert plain.call("run", "--once")[0] == 4
    assert plain.call("erase", "-", "--apply", stdin=plain.people("others")[0])[0] == 4


def test_a_file_that_0_1_read_in_part_is_read_on_from_there(plain: Installed) -> None:
    (file,) = plain.folder.glob("input/session/*.ndjson")
    assert plain.ask("run", "--once")["read"] == 0
    before = plain.rows("session")
    with file.open("a") as lines:
        lines.write(session_of("acct_new"))
    assert plain.ask("run", "--once")["read"] == 1
    assert plain.rows("session") == before + 1


def test_new_events_continue_every_table_of_0_1(plain: Installed) -> None:
    before = {event: plain.rows(event) for event in EVENTS}
    for event in EVENTS:
        file = str(plain.folder / "input" / event / "3.ndjson")
        plain.ask("generate", "--event", event, "--events", "40", "--seed", "3", "--out", file)
    told = plain.ask("run", "--once")
    after = {event: plain.rows(event) for event in EVENTS}
    assert all(after[event] > before[event] for event in EVENTS)
    assert sum(after.values()) - sum(before.values()) == told["written"]
    # Rows of both schema versions stand side by side.
    versions = plain.ask("sql", "SELECT DISTINCT schema_version AS v FROM api_request ORDER BY v")
    assert [one["v"] for one in versions] == [1, 2]


def test_an_account_keeps_its_token_over_the_update(plain: Installed) -> None:
    subjects = (
        "SELECT DISTINCT subject FROM {} WHERE event_date BETWEEN '2026-11-02' AND '2026-11-29'"
    )
    of_before = {row["subject"] for row in plain.ask("sql", subjects.format("api_request"))}
    sessions = {row["subject"] for row in plain.ask("sql", subjects.format("session"))}
    for account in plain.people("others")[:3]:
        assert plain.late(account)["written"] == 1
    mine = {row["subject"] for row in plain.ask("sql", subjects.format("session"))}
    assert mine <= of_before | sessions


@pytest.mark.parametrize(
    ("list_", "number"),
    [("opted-out", 0), ("opted-out", 1), ("erased", 0), ("erased", 1), ("restricted", 0)],
)
def test_who_objected_in_0_1_is_still_dropped(plain: Installed, list_: str, number: int) -> None:
    told = plain.late(plain.people(list_)[number])
    assert (told["read"], told["written"], sum(told["dropped"].values())) == (1, 0, 1)


def test_restricted_rows_of_0_1_come_back_on_release(plain: Installed) -> None:
    before = sum(plain.rows(event) for event in EVENTS)
    plain.ask("release", "-", stdin=plain.people("restricted")[0])
    plain.ask("requests", "work")
    assert sum(plain.rows(event) for event in EVENTS) == before + 20


def test_days_of_0_1_are_sealed_and_sealed_for_good(plain: Installed) -> None:
    before = sum(plain.rows(event) for event in EVENTS)
    told = plain.ask("seal", now=SETTLED)["days"]
    assert {day["seal"] for day in told} == {"final"}
    gone = sum(day["duplicates"] for day in told)
    assert gone > 0
    assert sum(plain.rows(event) for event in EVENTS) == before - gone
    columns = plain.ask("sql", "SELECT count(event_token) AS tokens FROM api_request")
    assert columns == [{"tokens": 0}]


def test_a_day_that_0_1_sealed_can_get_more_events(plain: Installed) -> None:
    assert plain.late("acct_new", "2026-11-21")["written"] == 1
    before = plain.rows("session")
    (day,) = plain.ask("seal", "--date", "2026-11-21")["days"]
    # One late row becomes a sealed file of its own.
    assert (day["event"], day["files_before"], day["files_after"]) == ("session", 1, 1)
    assert plain.rows("session") == before


def test_an_account_is_erased_from_rows_of_0_1(plain: Installed) -> None:
    account = plain.people("others")[1]
    planned = plain.ask("erase", "-", stdin=account)
    rows = sum(planned["rows"].values())
    assert rows > 0
    before = sum(plain.rows(event) for event in EVENTS)
    plain.ask("erase", "-", "--apply", stdin=account)
    assert sum(plain.rows(event) for event in EVENTS) == before - rows
    again = plain.ask("erase", "-", stdin=account)
    assert sum(again["rows"].values()) == 0
    assert plain.ask("receipts", "verify")["receipts"] == 4


def test_requests_that_0_1_took_are_carried_out(plain: Installed) -> None:
    """Two purges wait, and two erasures want their second pass."""
    now = plain.ask("requests", "work")
    assert now["carried_out"] == {"purge": 2}
    later = plain.ask("requests", "work", now=SETTLED)
    assert later["finished"] == {"erase": 2, "restrict": 1}
    assert plain.ask("requests", "list", now=SETTLED) == {"waiting": [], "done": 5}


def test_days_and_keys_of_0_1_expire_but_for_the_day_that_is_held(plain: Installed) -> None:
    every = [word for name in ("partitions", "rows") for word in ("--acknowledge", name)]
    for now, left in ((HELD, {"event_date=2026-11-14"}), (GONE, set())):
        plan = plain.ask("expire", now=now)
        plain.ask("expire", "--apply", plan["hash"], *every, now=now)
        assert {file.parent.name for file in plain.lake.glob("*/*/event_date=*/*")} == left
    live = [key["epoch"] for key in plain.ask("status", now=GONE)["keys"] if key["live"]]
    assert "4weeks-0037" not in live
    assert {"nothing_expired", "keys_of_ended_epochs"} <= set(plain.checks("kept", now=GONE))


def test_the_lake_of_0_1_passes_the_audit_once_figures_are_regenerated(plain: Installed) -> None:
    assert plain.call("rollup")[0] == 4
    plain.ask("run", "--once")
    assert plain.ask("rollup", "--regenerate")["published"] > 0
    assert plain.broken() == {"state_private"}  # folders that 0.1 made may be entered by others
    plain.close_folders()
    assert plain.broken() == set()
    plain.ask("seal")
    plain.ask("requests", "work")
    assert plain.broken() == set()


def test_the_encrypted_lake_of_0_1_goes_on(encrypted: Installed) -> None:
    before = encrypted.rows("session")
    (encrypted.folder / "input" / "session").mkdir(parents=True, exist_ok=True)
    assert encrypted.late("acct_new", "2026-11-23")["written"] == 1
    encrypted.ask("seal")
    assert encrypted.rows("session") == before + 1
    assert not any(file.read_bytes()[:4] == b"PAR1" for file in encrypted.lake.rglob("part-*"))
    encrypted.close_folders()
    assert encrypted.broken() == set()


def session_of(account: str, day: str = "2026-11-23") -> str:
    """One line with a session of its own."""
    values = {
        "event": "session",
        "version": 1,
        "event_id": f"late-{account}-{day}",
        "session_id": f"late-{account}-{day}",
        "started_at": f"{day}T10:00:00Z",
        "account_id": account,
    }
    return json.dumps(values) + "\n"


def facts_query(event: str) -> str:
    """The question that 0.1 answered; see `make.sh`."""
    return (
        "SELECT event_date, count(*) AS rows, count(DISTINCT subject) AS accounts, "
        "bit_xor(md5_number_lower(concat_ws('|', event_hour, subject, session, model, "
        "schema_version)))::VARCHAR AS sum "
        f"FROM {event} GROUP BY event_date ORDER BY event_date"
    )
