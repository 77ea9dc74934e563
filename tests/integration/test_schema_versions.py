"""Schema versions side by side on a real lake, and a field that is added by data files alone."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline.io.package_data import packaged
from tests.integration.test_cli_commands import Place

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0"
FIELD = """
  cache_status:
    type: string
    sensitivity: technical
    treatment: generalize[cache_statuses]
    purpose: P01
    comment: Whether the answer came from the cache.
    unit: none
    since: 3
    columns:
      - name: cache_status
        type: string
        values: cache_statuses
        nullable: true
        comment: hit, miss or stale; `other` outside the list.
        unit: none
"""


def message(number: int, version: int, **fields: object) -> Mapping[str, object]:
    return {
        "event": "api_request",
        "version": version,
        "event_id": f"event-{number}",
        "occurred_at": "2026-11-23T10:00:00Z",
        "account_id": f"account-{number % 30}",
        "client_ip": "198.18.50.17",
        "method": "GET",
        "path": "/v1/models",
        "status": 200,
        "bytes_out": 10_000,
        "user_agent": CHROME.format(153 if number % 2 else 41),
        **fields,
    }


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place with schemas and catalogue of its own, copies of the packaged ones."""
    place = Place(tmp_path)
    for event in ("session", "feature_use", "error_log"):
        (tmp_path / "input").mkdir(exist_ok=True)
        (tmp_path / "input" / f"{event}.ndjson").touch()
    shutil.copytree(str(packaged()), tmp_path / "schemas", ignore=shutil.ignore_patterns("*.py"))
    text = place.settings.read_text("utf-8")
    own = '[schemas]\ndirectory = "schemas"\n[catalogue]\ndirectory = "schemas/catalogue"\n'
    place.settings.write_text(own + text, "utf-8")
    return place


def send(place: Place, messages: Sequence[Mapping[str, object]]) -> dict[str, Any]:
    with (place.input / "api_request.ndjson").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(one) + "\n" for one in messages)
    document: dict[str, Any] = place.ask("run", "--once")
    return document


def rows(place: Place, columns: str) -> list[tuple[Any, ...]]:
    """Those columns of every row, by any reader that globs."""
    files = f"{place.lake}/events/api_request/event_date=*/*.parquet"
    return duckdb.execute(
        f"SELECT {columns}, count(*) FROM read_parquet(?, union_by_name=true) GROUP BY ALL"
        " ORDER BY ALL",
        [files],
    ).fetchall()


def test_rows_of_two_versions_are_read_sealed_counted_and_exported_together(place: Place) -> None:
    newest = place.folder / "schemas" / "api_request" / "v2.yaml"
    aside = newest.read_text("utf-8")
    newest.unlink()
    assert send(place, [message(number, 1) for number in range(40)])["written"] == 40
    assert rows(place, "bytes_out, client_major") == [(8192, 41, 20), (8192, 153, 20)]

    newest.write_text(aside, "utf-8")
    later = [message(number, 1 + number % 2) for number in range(40, 80)]
    assert send(place, later)["written"] == 40
    mixed = [(4096, 153, 20), (4096, None, 20), (8192, 41, 20), (8192, 153, 20)]
    assert rows(place, "bytes_out, client_major") == mixed
    # What the message declared, not how it was treated.
    assert rows(place, "schema_version") == [(1, 60), (2, 20)]

    (sealed,) = place.ask("seal")["days"]
    assert (sealed["rows"], sealed["duplicates"]) == (80, 0)
    assert rows(place, "bytes_out, client_major") == mixed
    found = place.ask("sql", "select count(*) as n, count(client_major) as m from api_request")
    assert found == [{"n": 80, "m": 60}]
    alike = "CASE WHEN bytes_out > 0 THEN pow(4, floor(log2(bytes_out) / 2)) ELSE bytes_out END"
    assert rows(place, f"{alike}") == [(4096.0, 80)]
    assert place.ask("rollup")
    out = place.folder / "export"
    assert place.ask("export", "account-3", "--out", str(out))["rows"] > 0
    audited = place.call("audit")[1]
    assert "client_major" not in audited
    assert "bytes_out" not in audited


def test_sealing_cleans_the_log_of_a_table_that_nobody_writes_to(place: Place) -> None:
    for number in range(3):
        send(place, [message(number, 2)])
    log = place.lake / "events" / "api_request" / "_delta_log"
    long_ago = time.time() - 10 * 86_400
    for entry in log.glob("*.json"):
        os.utime(entry, (long_ago, long_ago))
    assert (log / f"{0:020}.json").exists()
    place.ask("seal", "--date", "2026-11-01")  # nothing of that day
    assert not (log / f"{0:020}.json").exists()
    assert rows(place, "status") == [(200, 3)]
    assert place.ask("sql", "select count(*) as n from api_request") == [{"n": 3}]


def test_a_field_is_added_by_a_schema_file_and_a_catalogue_file_alone(place: Place) -> None:
    send(place, [message(number, 2) for number in range(5)])
    folder = place.folder / "schemas"
    before = (folder / "api_request" / "v2.yaml").read_text("utf-8")
    after = before.replace("version: 2\n", "version: 3\n", 1).rstrip("\n") + FIELD
    (folder / "api_request" / "v3.yaml").write_text(after, "utf-8")
    code, _, err = place.call("schema", "list")
    assert code == 3
    assert "cache_statuses" in err  # the list is still missing, and it is named
    (folder / "catalogue" / "cache_statuses.yaml").write_text(
        "cache_statuses: [hit, miss, stale]\n", "utf-8"
    )
    sent = [
        message(5, 3, cache_status="hit"),
        message(6, 3, cache_status="alice@example.com"),
        message(7, 3),
        message(8, 2, cache_status="hit"),  # version 2 does not declare it
    ]
    assert send(place, sent)["written"] == 4
    assert rows(place, "cache_status") == [("hit", 1), ("other", 1), (None, 7)]
    assert place.ask("seal")["days"]
    assert rows(place, "cache_status") == [("hit", 1), ("other", 1), (None, 7)]
    assert "cache_status" in place.call("schema", "ddl", "trino", json_=False)[1]
    story = place.ask("schema", "explain", "api_request")
    assert "value of the closed list cache_statuses" in json.dumps(story)
