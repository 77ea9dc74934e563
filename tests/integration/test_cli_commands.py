"""The commands on a real lake: one run, then everything that looks at it."""

from __future__ import annotations

import csv
import io
import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import main
from pipeline.io.package_data import packaged_formats

NOW = "2026-11-24T12:00:00Z"
EMAIL = "somebody@example.com"
COUNTS = {"api_request": 3_000, "session": 400, "feature_use": 500, "error_log": 300}


class Place:
    """A folder with settings for four sources, and the command bound to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lake, self.state, self.input = folder / "lake", folder / "state", folder / "input"
        self.settings = folder / "telemetry.toml"
        sources = "".join(
            f'[sources.{event}]\nevent = "{event}"\nfiles = ["input/{event}.ndjson"]\n'
            for event in COUNTS
        )
        self.settings.write_text(
            '[lake]\npath = "lake"\n[state]\npath = "state"\n'
            '[privacy]\npublic_ranges = ["198.18.0.0/15", "2001:db8::/32"]\n'
            f'trusted_proxies = ["198.19.255.0/28"]\n{sources}'
        )

    def call(self, *words: str, json_: bool = True) -> tuple[int, str, str]:
        """Run a command here; return exit code, standard output and standard error."""
        out, err = io.StringIO(), io.StringIO()
        before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = out, err
        try:
            flags = ["--config", str(self.settings), "--now", NOW, *(["--json"] if json_ else [])]
            # Beam's words, if any, come last.
            cut = words.index("--") if "--" in words else len(words)
            code = main([*words[:cut], *flags, *words[cut:]])
        finally:
            sys.stdout, sys.stderr = before
        return code, out.getvalue(), err.getvalue()

    def ask(self, *words: str) -> Any:
        """Run a command that has to succeed; return its JSON document."""
        code, out, err = self.call(*words)
        assert code == 0, err
        return json.loads(out)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place whose input has been run through once; `ran` is the account."""
    place = Place(tmp_path_factory.mktemp("place"))
    for event, count in COUNTS.items():
        file = str(place.input / f"{event}.ndjson")
        made = place.ask(
            *("generate", "--event", event, "--events", str(count), "--out", file),
            *("--awkward", "0.1", "--days", "3"),
        )
        assert made["events"] == count
    return place


@pytest.fixture(scope="module")
def ran(place: Place) -> dict[str, Any]:
    document: dict[str, Any] = place.ask("run", "--once")
    return document


def test_the_account_of_a_run_adds_up(ran: dict[str, Any]) -> None:
    assert ran["read"] == sum(COUNTS.values())
    refused = sum(ran["rejected"].values()) + sum(ran["dropped"].values())
    assert ran["read"] == ran["written"] + refused
    assert ran["files"] >= 12
    assert ran["dropped"]["signal"] > 0
    assert {"not_json", "duplicate_key", "too_large", "in_future", "too_old"} <= set(
        ran["rejected"]
    )
    assert {"seconds", "events_per_second", "conflicts", "restarts", "unread_bytes"} <= set(ran)


def test_values_that_were_made_null_are_told_by_field_and_reason(
    place: Place, ran: dict[str, Any]
) -> None:
    assert ran["nulled"]["latency_ms"]["negative"] > 0
    assert ran["nulled"]["account_created_on"]["invalid_time"] > 0
    told = place.ask("status")["nulled"]
    assert set(told) == set(COUNTS)
    summed: dict[str, dict[str, int]] = {}
    for fields in told.values():
        for field, reasons in fields.items():
            for reason, count in reasons.items():
                found = summed.setdefault(field, {})
                found[reason] = found.get(reason, 0) + count
    assert summed == ran["nulled"]
    assert "made null" in place.call("status", json_=False)[1]


def test_running_again_reads_nothing(place: Place, ran: dict[str, Any]) -> None:
    assert ran["read"]
    again = place.ask("run", "--once")
    assert (again["read"], again["written"], again["files"]) == (0, 0, 0)


def test_status_agrees_with_the_run(place: Place, ran: dict[str, Any]) -> None:
    status = place.ask("status")
    events = {name: table for name, table in status["tables"].items() if name != "rejections"}
    assert sum(table["rows"] for table in events.values()) == ran["written"]
    assert sum(table["files"] for table in events.values()) == ran["files"]
    assert status["tables"]["rejections"]["rows"] == sum(ran["rejected"].values())
    for table in events.values():
        assert sum(day["rows"] for day in table["days"]) == table["rows"]
        assert table["oldest_day"] == table["days"][0]["date"]
    assert status["lag_bytes"] == 0
    assert {one["position"] for one in status["inputs"]} == {
        one["size"] for one in status["inputs"]
    }
    assert [key["live"] for key in status["keys"]].count(True) >= 1
    assert status["geo"]["demo"] is True


def test_status_shows_what_is_not_in_the_lake_yet(place: Place, ran: dict[str, Any]) -> None:
    file = place.input / "error_log.ndjson"
    before = file.stat().st_size
    sound = next(line for line in file.read_bytes().splitlines(keepends=True) if b"peer" in line)
    with file.open("ab") as stream:
        stream.write(sound)
    try:
        assert place.ask("status")["lag_bytes"] == len(sound)
        assert place.ask("run", "--once")["read"] == 1
        assert place.ask("status")["lag_bytes"] == 0
    finally:
        assert file.stat().st_size == before + len(sound)


def test_sql_answers_as_table_json_and_csv(place: Place, ran: dict[str, Any]) -> None:
    query = "SELECT method, count(*) AS n FROM api_request GROUP BY ALL ORDER BY n DESC, method"
    rows = place.ask("sql", query)
    assert rows[0]["method"] == "POST"
    _, text, _ = place.call("sql", query, "--format", "csv", json_=False)
    parsed = list(csv.DictReader(io.StringIO(text)))
    assert [(row["method"], int(row["n"])) for row in parsed] == [
        (row["method"], row["n"]) for row in rows
    ]
    _, table, _ = place.call("sql", query, json_=False)
    assert table.splitlines()[0].split() == ["method", "n"]
    assert len(table.splitlines()) == len(rows) + 2


def test_sql_has_every_event_with_the_declared_columns(place: Place, ran: dict[str, Any]) -> None:
    from pipeline.io.package_data import load_schemas

    for event, versions in load_schemas().items():
        described = place.ask("sql", f"DESCRIBE {event}")
        assert [row["column_name"] for row in described] == versions[-1].stored.names
        assert place.ask("sql", f"SELECT count(*) AS n FROM {event}")[0]["n"] > 0


def test_numbers_that_json_does_not_know_are_null(place: Place, ran: dict[str, Any]) -> None:
    query = "SELECT 'nan'::FLOAT AS a, 'inf'::DOUBLE AS b, 1.5::DECIMAL(4, 2) AS c, [1, 2] AS d"
    assert place.ask("sql", query) == [{"a": None, "b": None, "c": 1.5, "d": [1, 2]}]
    code, out, _ = place.call("sql", query, json_=False)
    assert code == 0
    assert "1, 2" in out


def test_a_lake_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert main(["sql", "SELECT 1", "--lake", nowhere]) == 3
    assert main(["status", "--lake", nowhere]) == 3
    assert "There is no lake here" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "query", ["SELECT * FROM nowhere", "SELEC 1", "DROP VIEW session", "COPY session TO '/tmp/x'"]
)
def test_sql_that_cannot_be_run_is_a_usage_error(place: Place, query: str) -> None:
    code, out, err = place.call("sql", query)
    assert (code, out) == (2, "")
    assert json.loads(err)["error"]["next"]


def test_long_tables_are_cut_and_say_so(place: Place, ran: dict[str, Any]) -> None:
    _, out, err = place.call("sql", "FROM api_request", "--limit", "5", json_=False)
    assert len(out.splitlines()) == 7
    assert "more rows" in err


def test_optout_takes_ids_and_never_shows_them(
    place: Place, ran: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    added = place.ask("optout", "add", EMAIL, "acct_2", EMAIL)
    # Nothing is stored of either: the whole lake was looked at.
    expected = {"accounts": 2, "changed": 2, "queued": 2, "unknown": 2, "looked_since": None}
    assert added == expected
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{EMAIL}\nacct_3\n\n"))
    code, out, err = place.call("optout", "check", "-")
    assert code == 0
    assert [account["opted_out"] for account in json.loads(out)["accounts"]] == [True, False]
    assert place.ask("optout", "remove", EMAIL)["changed"] == 1
    assert place.ask("optout", "check", EMAIL)["accounts"][0]["opted_out"] is False
    assert EMAIL not in out + err
    stored = b"".join(path.read_bytes() for path in place.state.rglob("*") if path.is_file())
    assert EMAIL.encode() not in stored
    assert b"acct_2" not in stored
    assert place.ask("status")["optout"]["waiting_requests"] == 2


@pytest.mark.parametrize("words", [["-", "acct_1"], [""], ["-"]])
def test_optout_without_ids_is_a_usage_error(
    place: Place, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    assert place.call("optout", "add", *words)[0] == 2


def test_opted_out_accounts_are_dropped_from_then_on(place: Place, ran: dict[str, Any]) -> None:
    file = place.folder / "more.ndjson"
    fields = {
        "event": "feature_use",
        "version": 1,
        "event_id": "e-1",
        "occurred_at": "2026-11-24T11:00:00Z",
        "account_id": "acct_out",
    }
    file.write_text(json.dumps(fields) + "\n")
    place.ask("optout", "add", "acct_out")
    account = place.ask("run", "--input", str(file), "--event", "feature_use", "--once")
    assert account["dropped"] == {"opt_out": 1}


def test_several_paths_may_follow_one_input_flag(place: Place, ran: dict[str, Any]) -> None:
    paths = []
    for number in range(3):
        path = place.folder / f"one-{number}.ndjson"
        path.write_text(
            f'{{"event":"feature_use","version":1,"event_id":"m{number}",'
            '"occurred_at":"2026-11-24T11:00:00Z"}\n'
        )
        paths.append(str(path))
    account = place.ask("run", "--input", *paths, "--event", "feature_use", "--once")
    assert account["written"] == 3


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--input", "x"], 2),
        (["--event", "session"], 2),
        (["--input", "x", "--event", "sesion"], 2),
        (["--input", "x", "--kafka", "a:1", "--topic", "t", "--event", "session"], 2),
        (["--kafka", "a:1", "--event", "session"], 2),
        (["stray", "--once"], 2),
        (["--flush-interval", "1h", "--once"], 3),
        (["--input", "/nowhere/at/all", "--event", "session", "--once"], 3),
    ],
    ids=str,
)
def test_words_that_do_not_fit_are_refused_before_anything_is_read(
    place: Place, ran: dict[str, Any], words: list[str], code: int
) -> None:
    found, out, err = place.call("run", *words)
    assert (found, out) == (code, "")
    assert json.loads(err)["error"]["what"]


def test_keys_are_listed_without_a_key(place: Place, ran: dict[str, Any]) -> None:
    status = place.ask("keys", "status")
    assert {epoch["status"] for epoch in status["epochs"]} == {"live"}
    text = json.dumps(status)
    for path in (place.state / "keys").glob("*.key"):
        assert path.read_bytes().hex() not in text


def test_doctor_is_content_with_this_machine_and_warns_of_the_demo_database(
    place: Place, ran: dict[str, Any]
) -> None:
    checks = {check["name"]: check for check in place.ask("doctor")["checks"]}
    assert checks["countries"]["state"] == "warn"
    assert checks["countries"]["remedy"].startswith("telemetry geoip import")
    for name in ("python", "schemas", "state", "keys", "opt-out list", "clock"):
        assert checks[name]["state"] == "ok", checks[name]
    assert checks["source session"]["detail"] == "1 file of session"


def test_doctor_fails_when_others_may_look_into_the_state(
    place: Place, ran: dict[str, Any]
) -> None:
    place.state.chmod(0o755)
    try:
        code, out, _ = place.call("doctor")
    finally:
        place.state.chmod(stat.S_IRWXU)
    assert code == 3
    checks = {check["name"]: check for check in json.loads(out)["checks"]}
    assert checks["state"]["state"] == "fail"
    assert checks["state"]["remedy"] == f"chmod 0700 {place.state}"


def test_doctor_tells_a_broken_opt_out_list(place: Place, ran: dict[str, Any]) -> None:
    place.ask("optout", "add", "acct_9")
    file = place.state / "optout.ndjson"
    sound = file.read_bytes()
    file.write_bytes(sound + b"nonsense\n")
    try:
        code, out, _ = place.call("doctor")
        run_code, _, run_err = place.call("run", "--once")
    finally:
        file.write_bytes(sound)
    assert code == 3
    failed = [check for check in json.loads(out)["checks"] if check["state"] == "fail"]
    assert [check["name"] for check in failed] == ["optout"]
    assert run_code == 4
    assert json.loads(run_err)["error"]["code"] == "opt-out-stale"


def test_schema_explain_shows_stored_values_only(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = place.folder / "one.ndjson"
    file.write_text(
        f'{{"event":"session","version":1,"event_id":"{EMAIL}","session_id":"s",'
        f'"started_at":"2026-11-24T11:00:00Z","account_id":"{EMAIL}","{EMAIL}":1}}\n'
    )
    document = place.ask("schema", "explain", "session", str(file))
    assert document["undeclared_fields"] == 1
    assert EMAIL not in json.dumps(document)
    code, out, _ = place.call("schema", "explain", "session", str(file), json_=False)
    assert code == 0
    assert EMAIL not in out
    assert "tokenised" in out


def test_the_packaged_formats_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "formats", "--json"]) == 0
    listed = {one["format"]: one for one in json.loads(capsys.readouterr().out)["formats"]}
    assert set(listed) == set(packaged_formats())
    assert listed["segment"]["event"] == "feature_use"
    assert any("no account_id" in said for said in listed["cloudfront"]["warnings"])


def test_status_knows_the_event_of_a_source_that_only_names_a_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "access.log"
    log.write_text(
        '198.18.0.1 - - [24/Nov/2026:08:00:00 +0000] "GET /v1/models HTTP/1.1" 200 5 "-" "-"\n'
    )
    settings = tmp_path / "telemetry.toml"
    settings.write_text(
        f'[lake]\npath = "{tmp_path}/lake"\n[state]\npath = "{tmp_path}/state"\n'
        f'[sources.web]\nfiles = ["{log}"]\nformat = "nginx_combined"\n'
    )
    words = ["--config", str(settings), "--now", "2026-11-24T12:00:00Z", "--json"]
    assert main(["run", "--once", *words]) == 0
    capsys.readouterr()
    assert main(["status", *words]) == 0
    (read,) = json.loads(capsys.readouterr().out)["inputs"]
    assert (read["source"], read["position"]) == ("web", log.stat().st_size)


def test_schema_list_and_ddl_need_no_lake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "list", "--json"]) == 0
    events = json.loads(capsys.readouterr().out)["events"]
    assert {event["event"] for event in events} == set(COUNTS)
    assert main(["schema", "ddl", "duckdb"]) == 0
    assert "CREATE OR REPLACE VIEW api_request" in capsys.readouterr().out
    assert main(["schema", "explain", "sessions"]) == 2


def test_geoip_imports_only_country_databases(place: Place, ran: dict[str, Any]) -> None:
    from pipeline.io.package_data import packaged

    bad = place.folder / "bad.mmdb"
    bad.write_bytes(b"no database")
    assert place.call("geoip", "import", str(bad))[0] == 3
    assert place.ask("geoip", "status")["file"] is None
    good = place.folder / "good.mmdb"
    good.write_bytes((packaged() / "geo" / "demo-country.mmdb").read_bytes())
    place.ask("geoip", "import", str(good))
    assert place.ask("geoip", "status")["file"] == str(place.state / "geo" / "country.mmdb")
