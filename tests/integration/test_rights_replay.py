"""Replay after an erasure: the whole input again, into an empty lake, and nobody comes back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.io.folder_bytes import read_contents
from pipeline.io.keys.local import LocalKeystore
from pipeline.privacy.identity.epochs import Epoch
from pipeline.privacy.identity.tokens import Domain, token
from tests.rules.sources import ROOT

NOW = "2026-11-24T12:00:00Z"
LATER = "2026-11-25T12:00:00Z"
ERASED, KEPT = "acct_of_somebody_who_left", "acct_of_somebody_else"


def message(number: int, account: str | None, day: str) -> str:
    return json.dumps(
        {
            "event": "api_request",
            "version": 1,
            "event_id": f"event-{number}",
            "occurred_at": f"{day}T10:00:00Z",
            "account_id": account,
            "session_id": f"session-{number // 3}",
            "method": "GET",
            "status": 200,
        }
    )


def telemetry(folder: Path, *words: str, lake: str = "lake", now: str = NOW) -> dict[str, Any]:
    places = ["--lake", str(folder / lake), "--state", str(folder / "state"), "--now", now]
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *words, *places, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ERASED not in done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def run(folder: Path, lake: str = "lake", now: str = NOW) -> dict[str, Any]:
    source = ["--input", str(folder / "in.ndjson"), "--event", "api_request"]
    return telemetry(folder, "run", *source, "--backfill", "--once", lake=lake, now=now)


def tokens(folder: Path, account: str) -> set[str]:
    """Every token under which an account may be stored, with the keys of the installation."""
    keys = LocalKeystore(folder / "state" / "keys")
    live = [(record.name, keys.live_key(record.name)) for record in keys.epochs() if record.live]
    assert all(Epoch.parse(name) for name, _ in live)
    return {token(key, Domain.SUBJECT, account) for _, key in live if key is not None}


def subjects(folder: Path, lake: str) -> list[str | None]:
    files = sorted((folder / lake / "events" / "api_request").glob("event_date=*/*.parquet"))
    found: list[str | None] = []
    for file in files:
        found += pq.ParquetFile(file).read(["subject"])["subject"].to_pylist()
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation after an erasure, with events of the account that came late."""
    folder = tmp_path_factory.mktemp("replay")
    days = ["2026-11-23", "2026-11-20", "2026-10-22", "2026-09-24"]
    whose = (ERASED, KEPT, None)
    lines = [message(n, whose[n % 3], days[n % 4]) for n in range(120)]
    (folder / "in.ndjson").write_text("\n".join(lines) + "\n")
    assert run(folder)["written"] == 120
    done = telemetry(folder, "erase", ERASED, "--apply")
    assert (done["rows_removed"], done["carried_out"]) == (40, {"erase": 1})
    with (folder / "in.ndjson").open("a") as file:
        late = [message(n, whose[n % 3], "2026-11-24") for n in range(200, 212)]
        file.write("\n".join(late) + "\n")
    return folder


def test_late_events_of_an_erased_account_are_dropped(folder: Path) -> None:
    done = run(folder, now=LATER)
    assert (done["read"], done["written"], done["dropped"]) == (12, 8, {"erased": 4})
    assert not tokens(folder, ERASED) & set(subjects(folder, "lake"))


def test_a_replay_into_an_empty_lake_brings_nobody_back(folder: Path) -> None:
    done = run(folder, lake="again", now=LATER)
    assert (done["read"], done["written"], done["dropped"]) == (132, 88, {"erased": 44})
    found = subjects(folder, "again")
    assert not tokens(folder, ERASED) & set(found)
    assert sum(one in tokens(folder, KEPT) for one in found) == 44
    assert found.count(None) == 44
    forms = [form.encode() for form in (*tokens(folder, ERASED), ERASED)]
    places = [
        one.place
        for one in read_contents(folder / "again")
        if any(form in one.data for form in forms)
    ]
    assert places == []


def test_without_the_tombstone_the_replay_would_bring_everybody_back(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder / "state", tmp_path / "state")
    shutil.copy(folder / "in.ndjson", tmp_path)
    for path in (tmp_path / "state").glob("*optout.ndjson*"):
        path.unlink()
    # The keys remember that there was a list; only a recorded decision opens the gate again.
    telemetry(tmp_path, "keys", "adopt", "--lists", now=LATER)
    run(tmp_path, now=LATER)
    assert tokens(folder, ERASED) & set(subjects(tmp_path, "lake"))


def test_the_second_pass_ends_the_request_and_nothing_of_it_stays(folder: Path) -> None:
    done = telemetry(folder, "requests", "work", now="2026-12-02T12:00:00Z")
    assert (done["finished"], done["rows_removed"]) == ({"erase": 1}, 0)
    ledger = telemetry(folder, "requests", "list", now="2026-12-02T12:00:00Z")
    assert (ledger["waiting"], ledger["done"]) == ([], 1)
    for name in ("requests.ndjson", "receipts.ndjson"):
        text = (folder / "state" / name).read_text()
        assert not [one for one in (*tokens(folder, ERASED), ERASED) if one in text]
    assert telemetry(folder, "receipts", "verify")["receipts"] == 2
