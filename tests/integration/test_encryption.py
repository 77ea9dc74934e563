"""A whole installation with encrypted files gives what a plain one gives, and nothing without keys.

Two demos of the same traffic, one plain and one with `lake.encryption = "epoch"`. Every job runs on
the encrypted one; what comes out is compared with the plain one, and the bytes are searched.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.cli.main import main
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.parquet.encryption import label_of
from tests.integration.test_audit import accounts_of
from tests.rules.sources import ROOT

NOW = "2026-11-24T12:00:00Z"
SETTLED = "2026-12-02T12:00:00Z"
"""Every day has its final seal."""
GONE = "2027-03-10T12:00:00Z"
"""Every day is too old, and so is the last day of its epoch."""
VARIABLE = "TELEMETRY_LAKE_ENCRYPTION"
EVENTS = ("api_request", "session", "feature_use", "error_log")


SCRIPT = """
import sys
from pipeline.cli.commands import demo
from pipeline.cli.main import main

prepare = demo.prepare

def prepare_encrypted(folder):
    file = prepare(folder)
    text = file.read_text("utf-8")
    assert "[lake]\\n" in text
    file.write_text(text.replace("[lake]\\n", "[lake]\\nencryption = 'epoch'\\n"), "utf-8")
    return file

if sys.argv[1] == "epoch":
    demo.prepare = prepare_encrypted
sys.exit(main(sys.argv[2:]))
"""
"""The demo takes no settings but its own."""


def demo(folder: Path, encryption: str) -> Path:
    words = ["demo", "--dir", str(folder), "--events", "5000", "--days", "3", "--now", NOW]
    subprocess.run(
        [sys.executable, "-c", SCRIPT, encryption, *words, "--no-open", "--quiet"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo(tmp_path_factory.mktemp("plain") / "demo", "off")


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nobody may change it: tests take copies."""
    return demo(tmp_path_factory.mktemp("encrypted") / "demo", "epoch")


class Installation:
    """A folder and the commands on it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys

    def run(self, *words: str, now: str = NOW, code: int = 0) -> Any:
        self._capsys.readouterr()
        config = ["--config", str(self.folder / "telemetry.toml"), "--now", now, "--json"]
        found = main([*words, *config])
        printed = self._capsys.readouterr()
        assert found == code, printed.err
        return json.loads(printed.out or printed.err)

    def sql(self, query: str, now: str = NOW) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.run("sql", query, now=now)
        return rows

    def count(self, event: str, now: str = NOW) -> int:
        found: int = self.sql(f"SELECT count(*) AS n FROM {event}", now)[0]["n"]
        return found

    @property
    def parts(self) -> list[Path]:
        return [
            part
            for table in ("events", "restricted")
            for part in sorted((self.folder / "lake" / table).glob("*/event_date=*/*.parquet"))
        ]

    def check(self, name: str, now: str = NOW) -> dict[str, Any]:
        self._capsys.readouterr()
        config = ["--config", str(self.folder / "telemetry.toml"), "--now", now, "--json"]
        main(["audit", *config])
        report = json.loads(self._capsys.readouterr().out)
        (found,) = [
            check
            for promise in report["promises"]
            for check in promise["checks"]
            if check["check"] == name and promise["id"] == "P16"
        ]
        return {**found, "all_broken": report["broken"]}


Copy = Callable[[Path, str], Installation]


@pytest.fixture
def copy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Copy:
    def make(folder: Path, encryption: str) -> Installation:
        monkeypatch.setenv(VARIABLE, encryption)
        target = tmp_path / f"demo-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(folder, target, symlinks=True)
        settings = target / "telemetry.toml"
        settings.write_text(settings.read_text("utf-8").replace(str(folder), str(target)), "utf-8")
        return Installation(target, capsys)

    return make


def comparable(place: Installation, event: str, now: str = NOW) -> list[dict[str, Any]]:
    """All rows without what keys make of identifiers."""
    without = "subject, session, event_token"
    if event in ("api_request", "error_log"):
        without += ", error_fingerprint"
    return place.sql(f"SELECT * EXCLUDE ({without}) FROM {event} ORDER BY ALL", now)


def test_the_stored_rows_are_those_of_a_plain_lake(
    plain: Path, encrypted: Path, copy: Copy
) -> None:
    one, other = copy(plain, "off"), copy(encrypted, "epoch")
    for event in EVENTS:
        rows = comparable(other, event)
        assert rows
        assert rows == comparable(one, event)
    assert all(label_of(part.name) for part in other.parts)
    assert not any(label_of(part.name) for part in one.parts)


def published_anew(place: Installation) -> dict[str, pa.Table]:
    """Everything that is published when nothing was before, by name, in an order of its own."""
    found = {}
    shutil.rmtree(place.folder / "lake" / "rollups")
    place.run("rollup", now=SETTLED)
    for path in sorted((place.folder / "lake" / "rollups").glob("*/*.parquet")):
        if path.name != "suppressed.parquet":
            table = pq.read_table(path)
            typed = [name for name in table.column_names if table[name].type != pa.null()]
            found[path.name] = table.sort_by([(name, "ascending") for name in typed])
    return found


def test_the_publications_are_those_of_a_plain_lake(plain: Path, copy: Copy) -> None:
    """Of one installation: each has a secret of its own, which decides how figures differ."""
    place = copy(plain, "off")
    place.run("seal", now=SETTLED)
    before = published_anew(place)
    os.environ[VARIABLE] = "epoch"
    assert place.run("seal", now=SETTLED)["days"]
    assert all(label_of(part.name) for part in place.parts)
    after = published_anew(place)
    assert sum(table.num_rows for table in before.values()) > 100
    assert sorted(before) == sorted(after)
    assert [name for name in before if not before[name].equals(after[name])] == []


def test_no_token_can_be_read_from_the_files(plain: Path, encrypted: Path, copy: Copy) -> None:
    for folder, kept in ((plain, "off"), (encrypted, "epoch")):
        place = copy(folder, kept)
        tokens = {
            row["t"]
            for event in EVENTS
            for column in ("subject", "session", "event_token")
            for row in place.sql(f"SELECT DISTINCT {column} AS t FROM {event} WHERE {column} > ''")
        }
        assert len(tokens) > 5000
        # Parquet may compress a page: search what a reader without keys can get at.
        data = b"".join(readable(part) for part in place.parts)
        found = sum(token.encode() in data for token in list(tokens)[:200])
        assert found == (200 if kept == "off" else 0)


def readable(part: Path) -> bytes:
    """The bytes of a file, and its values if it opens without a key."""
    data = part.read_bytes()
    try:
        rows = pq.read_table(part, partitioning=None).to_pylist()
    except OSError:
        return data
    return data + json.dumps(rows, default=str).encode()


def test_every_job_works_on_encrypted_files(plain: Path, encrypted: Path, copy: Copy) -> None:
    other = copy(plain, "off")
    other.run("seal", now=SETTLED)
    rows = {event: comparable(other, event, SETTLED) for event in EVENTS}
    before = {event: len(rows[event]) for event in EVENTS}

    place = copy(encrypted, "epoch")
    sealed = place.run("seal", now=SETTLED)["days"]
    assert {day["seal"] for day in sealed} == {"final"}
    assert all(label_of(part.name) for part in place.parts)
    assert {event: comparable(place, event, SETTLED) for event in EVENTS} == rows
    assert place.run("seal", now=SETTLED)["days"] == []

    first, second = accounts_with_rows(place)
    exported = place.run("export", first, "--out", str(place.folder / "export"), now=SETTLED)
    assert exported["rows"] > 0
    moved = place.run("restrict", second, now=SETTLED)["rows_moved"]
    assert moved > 0
    assert sum(place.count(event, SETTLED) for event in EVENTS) == sum(before.values()) - moved
    assert place.run("release", second, now=SETTLED)["rows_moved"] == moved
    erased = place.run("erase", first, "--apply", now=SETTLED)["rows_removed"]
    assert erased == exported["rows"]
    assert sum(place.count(event, SETTLED) for event in EVENTS) == sum(before.values()) - erased
    assert all(label_of(part.name) for part in place.parts)

    place.run("rollup", now=SETTLED)
    plan = place.run("expire", now=SETTLED)
    assert [one["table"] for one in plan["partitions"]] == ["rejections"]
    place.run("expire", "--apply", plan["hash"], now=SETTLED)
    found = place.check("files_encrypted", SETTLED)
    assert (found["verdict"], found["all_broken"]) == ("kept", [])
    assert place.run("doctor", now=SETTLED)["ok"] is True
    (state,) = [
        one for one in place.run("doctor", now=SETTLED)["checks"] if one["name"] == "encryption"
    ]
    assert (state["state"], state["detail"][:3]) == ("ok", "on:")


def accounts_with_rows(place: Installation) -> list[str]:
    """Two accounts that have not opted out."""
    found = []
    for account in accounts_of(place.folder)[:20]:
        if place.run("optout", "check", account)["accounts"][0]["opted_out"] is False:
            found.append(account)
    return found[:2]


def test_an_expiry_ends_the_files_and_then_their_keys(encrypted: Path, copy: Copy) -> None:
    place = copy(encrypted, "epoch")
    backup = place.folder / "backup"
    shutil.copytree(place.folder / "lake", backup)
    plan = place.run("expire", now=GONE)
    keys = place.folder / "state" / "keys"
    assert len(list(keys.glob("data-4weeks-*.key"))) == 1
    acknowledged = [word for name in ("partitions", "rows") for word in ("--acknowledge", name)]
    place.run("expire", "--apply", plan["hash"], *acknowledged, now=GONE)
    assert place.parts == []
    assert list(keys.glob("*-4weeks-*.key")) == []
    copies = list((backup / "events").glob("*/event_date=*/*.parquet"))
    assert copies
    for part in copies:
        with pytest.raises(OSError, match="no decryption"):
            pq.read_table(part)
        with pytest.raises(duckdb.Error):
            duckdb.sql(f"SELECT * FROM read_parquet('{part}')")


def test_an_interrupted_expiry_does_not_need_to_open_what_it_deletes(
    encrypted: Path, copy: Copy
) -> None:
    """Keys go last; where they went first, by a drill or a defect, the files can still go."""
    place = copy(encrypted, "epoch")
    at = datetime.fromisoformat(GONE)
    store = LocalKeystore(place.folder / "state" / "keys", now=lambda: at.astimezone(UTC))
    for record in store.epochs():
        store.destroy(record.name)
    assert place.run("sql", "SELECT count(*) FROM session", code=4)["error"]["what"]
    plan = place.run("expire", now=GONE)
    acknowledged = [word for name in ("partitions", "rows") for word in ("--acknowledge", name)]
    place.run("expire", "--apply", plan["hash"], *acknowledged, now=GONE)
    assert place.parts == []


def test_switching_on_encrypts_closed_days_and_switching_off_breaks_nothing(
    plain: Path, copy: Copy
) -> None:
    place = copy(plain, "off")
    place.run("seal", now=SETTLED)
    rows = {event: comparable(place, event, SETTLED) for event in EVENTS}
    account, other = accounts_with_rows(place)
    assert place.run("restrict", account, now=SETTLED)["rows_moved"] > 0
    os.environ[VARIABLE] = "epoch"
    found = place.check("files_encrypted", SETTLED)
    assert found["verdict"] == "broken"
    assert len(found["evidence"]) == min(20, len(place.parts))
    assert place.run("seal", now=SETTLED)["days"]
    assert all(label_of(part.name) for part in place.parts)
    assert place.check("files_encrypted", SETTLED)["verdict"] == "kept"
    assert place.run("release", account, now=SETTLED)["rows_moved"] > 0
    os.environ[VARIABLE] = "off"
    assert {event: comparable(place, event, SETTLED) for event in EVENTS} == rows
    assert place.run("erase", other, "--apply", now=SETTLED)["rows_removed"] > 0
    labels = [label_of(part.name) for part in place.parts]
    assert None in labels
    assert any(labels)
    assert place.count("session", SETTLED) > 0
    assert place.check("files_encrypted", SETTLED)["verdict"] == "kept"
