"""An audit passes on a sound installation, and names the promise that was broken.

One installation is made by the demo, with an erasure, a restriction and an export in it. Each
test breaks a copy of it in one way, as a defect, an attacker or a careless hand would.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from pipeline.cli.main import main
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake import delta_log
from pipeline.io.lake.lake import Lake
from pipeline.io.rights.optout_list import OptOutFile
from pipeline.io.rights.request_queue import RequestKind, RequestQueue, account_tokens
from pipeline.ops.audit.audit import audit
from pipeline.ops.audit.checks import CHECKS, packaged_promises
from pipeline.privacy.identity.epochs import EpochKind
from tests.rules.sources import ROOT

NOW = "2026-11-24T12:00:00Z"
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def accounts_of(folder: Path) -> list[str]:
    """Account ids of the demo's input, the busiest first."""
    counts: dict[str, int] = {}
    days = sorted((folder / "input" / "api_request").iterdir())
    for line in (line for day in days for line in day.read_bytes().splitlines()):
        try:
            account = json.loads(line).get("account_id")
        except (ValueError, AttributeError):
            continue
        if isinstance(account, str) and account.isascii() and len(account) > 8:
            counts[account] = counts.get(account, 0) + 1
    return sorted(counts, key=lambda one: -counts[one])


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound installation; nobody may change it."""
    folder = tmp_path_factory.mktemp("audit") / "demo"
    words = ["demo", "--dir", str(folder), "--events", "6000", "--days", "3", "--now", NOW]
    subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *words, "--no-open", "--quiet"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    keys = LocalKeystore(folder / "state" / "keys", now=lambda: AT)
    optouts = OptOutFile(folder / "state" / "optout.ndjson", keys.permanent_key("optout"))
    accounts = accounts_of(folder)[:20]
    standings = zip(accounts, optouts.check(accounts), strict=True)
    erased, restricted, exported = [
        account for account, standing in standings if not standing.intervals
    ][:3]
    config = ["--config", str(folder / "telemetry.toml"), "--now", NOW, "--json"]
    assert main(["erase", erased, "--apply", *config]) == 0
    assert main(["restrict", restricted, *config]) == 0
    assert main(["export", exported, "--out", str(folder / "export"), *config]) == 0
    return folder


class Installation:
    """A copy of the sound one, to be broken."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.lake, self.state = folder / "lake", folder / "state"

    def audit(self, *more: str, now: str = NOW) -> dict[str, Any]:
        """Run the command; check that its exit code agrees with its report."""
        self._capsys.readouterr()
        config = str(self.folder / "telemetry.toml")
        code = main(["audit", "--config", config, "--now", now, "--json", *more])
        report: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        assert code == (1 if report["broken"] else 0)
        return report

    def broken_checks(self, *more: str, now: str = NOW) -> set[str]:
        """Names of the checks that say that something is broken."""
        report = self.audit(*more, now=now)
        return {
            check["check"]
            for promise in report["promises"]
            for check in promise["checks"]
            if check["verdict"] == "broken"
        }

    def part(self, table: str = "events/api_request") -> Path:
        """A data file of a table."""
        return sorted((self.lake / table).glob("event_date=*/*.parquet"))[0]

    def keys(self) -> LocalKeystore:
        return LocalKeystore(self.state / "keys", now=lambda: AT)


@pytest.fixture
def copy(sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Installation:
    shutil.copytree(sound, tmp_path / "demo", symlinks=True)
    return Installation(tmp_path / "demo", capsys)


def set_text(part: Path, column: str, text: str, **options: Any) -> None:
    """Give the first row of a file another text; everything else stays."""
    with pq.ParquetFile(part) as file:
        table = file.read()
    values = [text, *table[column].to_pylist()[1:]]
    index = table.schema.get_field_index(column)
    changed = table.set_column(index, table.schema.field(index), pa.array(values, pa.string()))
    pq.write_table(changed, part, **({"write_statistics": False} | options))


def test_a_sound_installation_keeps_every_promise(copy: Installation) -> None:
    canaries = copy.folder / "ids"
    canaries.write_text("\n".join(accounts_of(copy.folder)[:20]))
    more = ["--canaries", str(canaries), "--dashboard", str(copy.folder / "dashboard")]
    report = copy.audit("--deploy", str(ROOT / "deploy"), *more)
    assert report["broken"] == []
    assert report["not_verified"] == ["P16"]
    verdicts = {one["id"]: one["verdict"] for one in report["promises"]}
    assert {name for name, verdict in verdicts.items() if verdict != "kept"} == {"P15", "P16"}
    reasons = [
        check["detail"]
        for one in report["promises"]
        if one["id"] == "P16"
        for check in one["checks"]
    ]
    assert "encrypted by its disk" in reasons[0]


def test_an_audit_loads_every_table_once(
    copy: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: Counter[str] = Counter()

    class Counted(DeltaTable):
        def __init__(self, uri: str, *others: Any, **options: Any) -> None:
            loaded[uri.rpartition("/lake/")[2]] += 1
            super().__init__(uri, *others, **options)

    monkeypatch.setattr(delta_log, "DeltaTable", Counted)
    copy.audit()
    tables = [path.parent.relative_to(copy.lake) for path in copy.lake.rglob("_delta_log")]
    assert loaded == dict.fromkeys(map(str, tables), 1)
    assert len(tables) > 5


def plant_address(it: Installation) -> None:
    set_text(it.part(), "model", "203.0.113.7")


def plant_ipv6_address(it: Installation) -> None:
    set_text(it.part("events/error_log"), "component", "2001:db8::1:2")


def narrow_network(it: Installation) -> None:
    set_text(it.part(), "ip_prefix", "198.18.7.0/24")


def plant_text(it: Installation) -> None:
    set_text(it.part("events/session"), "end_reason", "the customer hung up")


def plant_device(it: Installation) -> None:
    set_text(it.part(), "client_family", "JohnSmithBot/9.9")


def plant_column(it: Installation) -> None:
    part = it.part()
    with pq.ParquetFile(part) as file:
        table = file.read()
    extra = pa.array(["x"] * table.num_rows)
    pq.write_table(table.append_column("email", extra), part, write_statistics=False)


def statistics_on_tokens(it: Installation) -> None:
    set_text(it.part(), "subject", "0" * 32, write_statistics=True)


def expired_partition(it: Installation) -> None:
    old = it.lake / "events" / "api_request" / "event_date=2026-08-01"
    old.mkdir()
    shutil.copy(it.part(), old)


def plant_orphan(it: Installation) -> None:
    part = it.part()
    orphan = part.with_name(f"part-{'0' * 12}-{'0' * 32}.parquet")
    shutil.copy(part, orphan)
    os.utime(orphan, (0, 0))


def plant_foreign_file(it: Installation) -> None:
    shutil.copy(it.part(), it.part().with_name("backup.parquet"))


def keep_old_version(it: Installation) -> None:
    log = it.lake / "events" / "api_request" / "_delta_log"
    removed = [
        json.loads(line)["remove"]["path"]
        for entry in sorted(log.glob("*.json"))
        for line in entry.read_text().splitlines()
        if '"remove"' in line
    ]
    shutil.copy(it.part(), it.lake / "events" / "api_request" / removed[-1])


def remove_last_receipt(it: Installation) -> None:
    path = it.state / "receipts.ndjson"
    path.write_bytes(b"\n".join(path.read_bytes().splitlines()[:-1]) + b"\n")


def change_receipt(it: Installation) -> None:
    path = it.state / "receipts.ndjson"
    text = path.read_text()
    assert re.search(r'"rows_removed":[1-9]', text)
    path.write_text(re.sub(r'"rows_removed":\d+', '"rows_removed":0', text))


def forget_receipts(it: Installation) -> None:
    """A chain that holds, because there is none: everything that was carried out is unproven."""
    for path in it.state.glob("*receipts.ndjson*"):
        path.unlink()


def weak_key(it: Installation) -> None:
    sorted((it.state / "keys").glob("epoch-*.key"))[0].write_bytes(bytes(32))


def same_key_twice(it: Installation) -> None:
    optout = it.state / "keys" / "optout.key"
    optout.write_bytes((it.state / "keys" / "files.key").read_bytes())


def short_key(it: Installation) -> None:
    sorted((it.state / "keys").glob("epoch-*.key"))[0].write_bytes(b"short")


def missing_key(it: Installation) -> None:
    sorted((it.state / "keys").glob("epoch-*.key"))[0].unlink()


def wide_open_state(it: Installation) -> None:
    it.state.chmod(0o755)


def readable_list(it: Installation) -> None:
    (it.state / "optout.ndjson").chmod(0o644)


def lose_optout_list(it: Installation) -> None:
    (it.state / "optout.ndjson").unlink()


def damage_optout_list(it: Installation) -> None:
    path = it.state / "optout.ndjson"
    path.write_text(path.read_text().replace('"erased"', '"Erased"', 1))


def lose_tombstone(it: Installation) -> None:
    path = it.state / "optout.ndjson"
    path.write_text(re.sub(r'"erased":"[^"]*"', '"erased":null', path.read_text()))


def bring_back_erased_row(it: Installation) -> None:
    tokens = next(
        one.tokens.subjects
        for one in RequestQueue(it.state / "requests.ndjson").pending()
        if one.kind is RequestKind.ERASE
    )
    (live,) = tokens.keys() & {"4weeks-0037"}
    set_text(sorted(it.lake.glob("events/api_request/*/*.parquet"))[-1], "subject", tokens[live])


def restricted_row_in_a_view(it: Installation) -> None:
    aside = pq.ParquetFile(it.part("restricted/api_request"))
    subject = aside.read(["subject"])["subject"][0].as_py()
    day = it.part("restricted/api_request").parent.name
    part = next((it.lake / "events" / "api_request" / day).glob("*.parquet"))
    set_text(part, "subject", subject)


def overdue_erasure(it: Installation) -> None:
    late(it, RequestKind.ERASE, timedelta(days=31))


def overdue_child(it: Installation) -> None:
    late(it, RequestKind.ERASE_UNDER_13, timedelta(hours=73))


def overdue_purge(it: Installation) -> None:
    late(it, RequestKind.PURGE, timedelta(days=31))


def overdue_export(it: Installation) -> None:
    late(it, RequestKind.EXPORT, timedelta(days=31))


def overdue_restriction(it: Installation) -> None:
    late(it, RequestKind.RESTRICT, timedelta(days=31))


def late(it: Installation, kind: RequestKind, age: timedelta) -> None:
    """A request that nobody carried out."""
    keys = it.keys()
    optouts = OptOutFile(it.state / "optout.ndjson", keys.permanent_key("optout"))
    people = account_tokens(
        ["somebody"], optouts=optouts, keys=keys, epochs=EpochKind.FOUR_WEEKS, now=AT
    )
    RequestQueue(it.state / "requests.ndjson").submit(kind, people, AT - age)


def ungated_rollup(it: Installation) -> None:
    change_rollup(it, lambda table: pa.array([3] * table.num_rows, pa.int64()))


def rollup_without_accounts(it: Installation) -> None:
    change_rollup(it, lambda table: pa.nulls(table.num_rows, pa.int64()))


def change_rollup(it: Installation, accounts: Callable[[pa.Table], pa.Array]) -> None:
    path = it.lake / "rollups" / "requests" / "requests.parquet"
    table = pq.read_table(path)
    index = table.schema.get_field_index("accounts")
    pq.write_table(table.set_column(index, table.schema.field(index), accounts(table)), path)


def unknown_rollup(it: Installation) -> None:
    shutil.copytree(it.lake / "rollups" / "requests", it.lake / "rollups" / "requests_by_account")


def copy_in_the_lake(it: Installation) -> None:
    shutil.copytree(it.lake / "events", it.lake / "events.bak")


@pytest.mark.parametrize(
    ("breaks", "promise", "check"),
    [
        (plant_address, "P17", "no_addresses"),
        (plant_ipv6_address, "P17", "no_addresses"),
        (narrow_network, "P17", "no_addresses"),
        (plant_text, "P02", "session_columns"),
        (plant_device, "P03", "device_classes"),
        (plant_column, "P01", "declared_columns"),
        (statistics_on_tokens, "P20", "no_token_statistics"),
        (expired_partition, "P05", "nothing_expired"),
        (plant_orphan, "P09", "no_orphans"),
        (plant_foreign_file, "P09", "no_orphans"),
        (keep_old_version, "P09", "no_old_versions"),
        (remove_last_receipt, "P08", "receipts_chained"),
        (change_receipt, "P08", "receipts_chained"),
        (forget_receipts, "P08", "receipts_complete"),
        (weak_key, "P20", "keys_sound"),
        (same_key_twice, "P20", "keys_sound"),
        (short_key, "P20", "keys_sound"),
        (missing_key, "P20", "keys_sound"),
        (wide_open_state, "P18", "state_private"),
        (readable_list, "P18", "state_private"),
        (lose_optout_list, "P10", "optout_list_known"),
        (damage_optout_list, "P10", "optout_list_known"),
        (lose_tombstone, "P10", "optout_list_known"),
        (bring_back_erased_row, "P08", "erased_rows_gone"),
        (restricted_row_in_a_view, "P13", "restricted_rows_apart"),
        (overdue_erasure, "P08", "erasures_in_time"),
        (overdue_child, "P15", "children_in_time"),
        (overdue_purge, "P10", "purges_in_time"),
        (overdue_export, "P12", "exports_in_time"),
        (overdue_restriction, "P13", "restrictions_in_time"),
        (ungated_rollup, "P04", "aggregates_gated"),
        (rollup_without_accounts, "P04", "aggregates_gated"),
        (unknown_rollup, "P04", "aggregates_gated"),
        (copy_in_the_lake, "P18", "known_places"),
    ],
)
def test_a_broken_promise_is_named(
    copy: Installation, breaks: Callable[[Installation], None], promise: str, check: str
) -> None:
    breaks(copy)
    report = copy.audit()
    assert promise in report["broken"]
    (result,) = [
        result
        for one in report["promises"]
        if one["id"] == promise
        for result in one["checks"]
        if result["check"] == check
    ]
    assert result["verdict"] == "broken"
    assert "203.0.113.7" not in json.dumps(report)  # evidence names places, not values
    assert "JohnSmithBot" not in json.dumps(report)


def test_keys_and_rows_beyond_their_time_are_named(copy: Installation) -> None:
    found = copy.broken_checks(now="2027-06-01T00:00:00Z")
    assert {"nothing_expired", "keys_of_ended_epochs"} <= found


def test_a_dashboard_of_rows_is_named(copy: Installation) -> None:
    deploy = copy.folder / "deploy"
    shutil.copytree(ROOT / "deploy", deploy)
    assert not copy.broken_checks("--deploy", str(deploy))
    board = next(deploy.rglob("overview.json"))
    text = board.read_text()
    board.write_text(
        text.replace('"title": "', '"url": "lake/events/api_request/x", "title": "', 1)
    )
    topics = next(deploy.rglob("create-topics.sh"))
    topics.write_text(topics.read_text().replace("retention.ms=86400000", "retention.ms=-1"))
    found = copy.broken_checks("--deploy", str(deploy))
    assert found == {"dashboards_read_aggregates", "raw_topics_short"}


def test_an_identifier_in_the_lake_is_found_by_its_hash(copy: Installation) -> None:
    import hashlib

    set_text(copy.part(), "subject", hashlib.md5(b"somebody@example.com").hexdigest())
    ids = copy.folder / "ids"
    ids.write_text("nobody@example.com\nsomebody@example.com\n")
    report = copy.audit("--canaries", str(ids))
    assert "P20" in report["broken"]
    assert "example.com" not in json.dumps(report)


def test_a_list_without_heartbeat_is_named(copy: Installation) -> None:
    """A topic's list has an age; sixteen minutes are one too many."""
    from dataclasses import replace

    from pipeline.cli.commands.audit import open_audited
    from pipeline.cli.declared import load_settings
    from pipeline.cli.frame.options import Invocation
    from pipeline.cli.frame.output import Output

    settings = load_settings(copy.folder / "telemetry.toml", {})
    call = Invocation(Output(), settings, fixed_now=AT)
    audited = open_audited(call, None, None)
    for minutes, broken in ((14, ()), (16, ("P10", "P14"))):
        aged = replace(audited, optouts=lambda m=minutes: ({}, timedelta(minutes=m)))  # type: ignore[misc]
        # The tombstones of the file are not in this list.
        report = audit(
            replace(aged, queue=RequestQueue(copy.state / "none")), packaged_promises(), CHECKS
        )
        assert report.broken == broken
    assert Lake(str(copy.lake)).local


def test_the_report_is_one_file_that_asks_for_nothing(copy: Installation) -> None:
    plant_address(copy)
    html = copy.folder / "report.html"
    report = copy.audit("--html", str(html))
    text = html.read_text("utf-8")
    for promise in report["promises"]:
        assert promise["text"] in text
    assert report["last_receipt"] in text
    assert not re.findall(r"<script|src=|href=|url\(|@import", text)
    assert "default-src 'none'" in text
    assert "203.0.113.7" not in text
