"""Commands that write or destroy refuse a state folder, a list or a table that is not theirs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from pipeline.cli.main import main
from tests.unit.cli.commands.test_hold import ID, Place
from tests.unit.ops.rights.desk import T0, World, days_back

NOW = T0.strftime("%Y-%m-%dT%H:%M:%SZ")
COMMANDS = {
    "erase": ["erase", ID],
    "erase --apply": ["erase", ID, "--apply"],
    "restrict": ["restrict", ID],
    "release": ["release", ID],
    "requests work": ["requests", "work"],
    "expire": ["expire"],
    "export": ["export", ID, "--out", "OUT"],
}
RUN = ["run", "--input", "INPUT", "--event", "api_request", "--once"]
EVERYTHING = {**COMMANDS, "run": RUN}


class Bench(Place):
    """A lake that was written by one installation, and what may happen to its state folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        super().__init__(folder, capsys)
        self.folder, self.state, self.lake = folder, folder / "state", folder / "lake"
        (folder / "in.ndjson").write_bytes(b"{}\n")
        self.state.chmod(0o700)

    def code(self, *words: str) -> tuple[int, str]:
        """Run a command; return its exit code, and which error it was."""
        places = {"OUT": str(self.folder / "out"), "INPUT": str(self.folder / "in.ndjson")}
        filled = [places.get(word, word) for word in words]
        code = main([*filled, "--json", "--now", NOW, *self.words])
        out, err = self.capsys.readouterr()
        assert ID not in out + err
        return code, json.loads(err.strip().splitlines()[-1])["error"]["code"] if code else ""

    def bytes_of_lake(self) -> dict[str, bytes]:
        files = [path for path in self.lake.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.lake)): path.read_bytes() for path in files}


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    bench = Bench(tmp_path, capsys)
    assert bench.code("optout", "add", "somebody-else") == (0, "")
    assert bench.code("erase", ID) == (0, "")  # the first meeting: lake and state are bound
    return bench


def optout(bench: Bench) -> None:
    assert bench.code("optout", "add", "another") == (0, "")


def request(bench: Bench) -> None:
    assert bench.code("erase", "b") == (0, "")


def hold(bench: Bench) -> None:
    words = ["hold", "add", "--account", "c", "--owner", "o", "--reason", "r"]
    assert bench.code(*words, "--until", "2026-12-01") == (0, "")


@pytest.mark.parametrize("change", [optout, request, hold])
@pytest.mark.parametrize("command", EVERYTHING)
def test_a_state_folder_from_a_backup_is_refused_once_the_lake_has_seen_a_newer_one(
    bench: Bench, command: str, change: Callable[[Bench], None]
) -> None:
    backup = bench.folder / "backup"
    shutil.copytree(bench.state, backup)
    change(bench)
    # Whatever is committed afterwards tells the lake how far the lists are.
    assert bench.code("restrict", "b") == (0, "")
    newest = bench.folder / "newest"
    bench.state.rename(newest)
    shutil.copytree(backup, bench.state)
    before = bench.bytes_of_lake()
    assert bench.code(*EVERYTHING[command]) == (4, "wrong-installation")
    assert bench.bytes_of_lake() == before
    shutil.rmtree(bench.state)
    newest.rename(bench.state)
    assert bench.code("erase", ID) == (0, "")


def test_an_older_state_folder_is_taken_if_that_is_recorded(bench: Bench) -> None:
    shutil.copytree(bench.state, bench.folder / "backup")
    optout(bench)
    assert bench.code("restrict", "b") == (0, "")
    shutil.rmtree(bench.state)
    shutil.copytree(bench.folder / "backup", bench.state)
    main(["doctor", "--json", "--now", NOW, *bench.words])
    checks = {one["name"]: one for one in json.loads(bench.capsys.readouterr().out)["checks"]}
    assert "older copy" in checks["installation"]["detail"]
    assert bench.code("keys", "adopt") == (0, "")
    assert bench.code("erase", ID) == (0, "")


def deleted(bench: Bench) -> None:
    shutil.rmtree(bench.state)


def new(bench: Bench) -> None:
    shutil.rmtree(bench.state)
    assert bench.code("optout", "add", "somebody") == (0, "")


def anothers(bench: Bench) -> None:
    other = bench.folder / "other"
    World(other).store([("c", day) for day in days_back(1, 2)])
    words = ["--lake", str(other / "lake"), "--state", str(other / "state")]
    assert main(["erase", "c", "--now", NOW, *words]) == 0
    bench.capsys.readouterr()
    shutil.rmtree(bench.state)
    shutil.copytree(other / "state", bench.state)


@pytest.mark.parametrize("harm", [deleted, new, anothers])
@pytest.mark.parametrize("command", EVERYTHING)
def test_a_state_folder_of_others_is_refused(
    bench: Bench, command: str, harm: Callable[[Bench], None]
) -> None:
    harm(bench)
    before = bench.bytes_of_lake()
    assert bench.code(*EVERYTHING[command]) == (4, "wrong-installation")
    assert bench.bytes_of_lake() == before
    assert not (bench.folder / "out").exists()


def test_a_refused_run_makes_no_state_folder(bench: Bench) -> None:
    deleted(bench)
    bench.code(*RUN)
    assert not (bench.state / "keys").exists()


GONE = ["events/api_request/_delta_log", "restricted/api_request/_delta_log"]
GONE += ["events/api_request", "restricted", "."]


@pytest.mark.parametrize(
    ("gone", "command"),
    [(gone, command) for gone in GONE for command in ("run", "erase --apply")]
    + [("events/api_request", command) for command in sorted(COMMANDS.keys() - {"erase --apply"})],
)
def test_a_table_that_is_gone_is_refused_and_not_begun_again(
    bench: Bench, gone: str, command: str
) -> None:
    assert bench.code("restrict", ID) == (0, "")
    receipts = (bench.state / "receipts.ndjson").read_bytes()
    (bench.lake / gone).rename(bench.folder / "away")
    before = bench.bytes_of_lake()
    assert bench.code(*EVERYTHING[command]) == (3, "table-gone")
    assert bench.bytes_of_lake() == before
    assert (bench.state / "receipts.ndjson").read_bytes() == receipts
    (bench.lake / gone).parent.mkdir(exist_ok=True)
    (bench.folder / "away").rename(bench.lake / gone)
    assert bench.code("erase", ID) == (0, "")


def test_commands_that_only_look_say_that_a_table_is_gone(bench: Bench) -> None:
    shutil.rmtree(bench.lake / "events" / "api_request" / "_delta_log")
    assert bench.code("status") == (3, "table-gone")
    # An audit goes on, and says which log it could not read.
    assert main(["audit", "--json", "--now", NOW, *bench.words]) == 1
    assert "lake/events/api_request: its log cannot be loaded" in bench.capsys.readouterr().out
    assert main(["doctor", "--json", "--now", NOW, *bench.words]) == 3
    assert "table that was there is not in the lake" in bench.capsys.readouterr().out


def test_a_lake_that_was_removed_on_purpose_is_begun_again_once_that_is_recorded(
    bench: Bench,
) -> None:
    shutil.rmtree(bench.lake)
    assert bench.code(*RUN) == (3, "table-gone")
    assert document(bench, "keys", "adopt")["gone"] == ["events/api_request"]
    again = [str(bench.folder / "in.ndjson") if word == "INPUT" else word for word in RUN]
    # What is read is refused as a whole, but from its beginning, into a table that is begun anew.
    assert main([*again, "--input-is-right", "--json", "--now", NOW, *bench.words]) == 1
    assert '"missing_field": 1' in bench.capsys.readouterr().out
    assert bench.code("audit")[1] != "table-gone"


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def both_deleted(path: Path) -> None:
    path.unlink()
    path.with_name(f".{path.name}.created").unlink()


def replaced(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"erased":null', b'"erased": null'))


@pytest.mark.parametrize("harm", [emptied, both_deleted, replaced])
@pytest.mark.parametrize("command", ["run", "erase --apply", "restrict", "requests work"])
def test_an_opt_out_list_that_was_changed_closes_the_gate(
    bench: Bench, command: str, harm: Callable[[Path], None]
) -> None:
    harm(bench.state / "optout.ndjson")
    assert bench.code(*EVERYTHING[command]) == (4, "opt-out-stale")


@pytest.mark.parametrize("harm", [emptied, both_deleted])
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("requests.ndjson", ["requests", "work"]),
        ("holds.ndjson", ["erase", ID, "--apply"]),
        ("receipts.ndjson", ["receipts", "verify"]),
    ],
)
def test_other_lists_that_were_changed_are_told(
    bench: Bench, name: str, command: list[str], harm: Callable[[Path], None]
) -> None:
    hold = ["hold", "add", "--account", "b", "--owner", "o", "--reason", "r"]
    assert bench.code(*hold, "--until", "2026-12-01") == (0, "")
    assert bench.code("erase", ID, "--apply") == (0, "")
    harm(bench.state / name)
    assert bench.code(*command) == (3, "environment")


def test_doctor_and_audit_say_that_lake_and_keys_do_not_fit(bench: Bench) -> None:
    anothers(bench)
    main(["doctor", "--json", "--now", NOW, *bench.words])
    checks = {one["name"]: one for one in json.loads(bench.capsys.readouterr().out)["checks"]}
    assert checks["installation"]["state"] == "fail"
    assert main(["audit", "--json", "--now", NOW, *bench.words]) == 1
    audited = json.dumps(json.loads(bench.capsys.readouterr().out))
    assert "was written by another installation" in audited


def test_a_deliberate_change_is_recorded_and_lets_everybody_go_on(bench: Bench) -> None:
    new(bench)
    found = document(bench, "keys", "adopt")
    assert found["tables"] == ["events/api_request"]
    kinds = [one["kind"] for one in document(bench, "receipts", "list")["receipts"]]
    assert kinds == ["adopt"]
    assert document(bench, "erase", ID, "--apply")["rows_removed"] == 0  # under the old keys
    assert document(bench, "keys", "status")["installation"] == found["installation"]


def test_a_list_that_cannot_be_restored_is_taken_as_it_is(bench: Bench) -> None:
    both_deleted(bench.state / "optout.ndjson")
    assert bench.code("optout", "check", "somebody-else") == (4, "opt-out-stale")
    assert bench.code("keys", "adopt") == (0, "")
    assert bench.code("optout", "check", "somebody-else") == (4, "opt-out-stale")
    assert document(bench, "keys", "adopt", "--lists")["lists"] == {"optout.ndjson": 0}
    assert bench.code("optout", "check", "somebody-else") == (0, "")


def test_looking_at_keys_makes_none(bench: Bench) -> None:
    keys = bench.state / "keys"
    before = sorted(path.name for path in keys.iterdir())
    assert "files.key" not in before
    main(["audit", "--now", NOW, *bench.words])
    main(["status", "--now", NOW, *bench.words])
    assert sorted(path.name for path in keys.iterdir()) == before


def document(bench: Bench, *words: str) -> Any:
    assert main([*words, "--json", "--now", NOW, *bench.words]) == 0
    return json.loads(bench.capsys.readouterr().out)


def test_an_export_that_cannot_be_written_is_not_queued(bench: Bench) -> None:
    (bench.folder / "file").touch()
    out = str(bench.folder / "file" / "out")
    assert bench.code("export", ID, "--out", out) == (3, "environment")
    waiting = document(bench, "requests", "list")["waiting"]
    assert [one for one in waiting if one["kind"] == "export"] == []


def test_an_id_of_which_nothing_is_stored_is_told(bench: Bench) -> None:
    assert document(bench, "erase", ID, "nobody")["unknown"] == 1
    assert main(["erase", ID, "nobody", "--now", NOW, *bench.words]) == 0
    assert "nothing of 1 of the 2 is stored in the lake" in bench.capsys.readouterr().out
    for words in (["erase", "--apply"], ["restrict"], ["export", "--out", str(bench.folder / "o")]):
        assert main([*words, "nobody", "--now", NOW, *bench.words]) == 0
        assert "nothing of it is stored in the lake" in bench.capsys.readouterr().out


def torn_entry(log: Path) -> None:
    newest = max(log.glob("*.json"))
    newest.write_bytes(newest.read_bytes()[:100])


def torn_checkpoint(log: Path) -> None:
    DeltaTable(log.parent).create_checkpoint()
    for checkpoint in log.glob("*.checkpoint.parquet"):
        emptied(checkpoint)


@pytest.mark.parametrize("tear", [torn_entry, torn_checkpoint])
@pytest.mark.parametrize(
    "command", [["audit"], ["doctor"], ["status"], ["sql", "SELECT count(*) FROM api_request"]]
)
def test_commands_that_only_look_leave_a_torn_log_as_it_is(
    bench: Bench, command: list[str], tear: Callable[[Path], None]
) -> None:
    tear(bench.lake / "events" / "api_request" / "_delta_log")
    before = bench.bytes_of_lake()
    assert main([*command, "--json", "--now", NOW, *bench.words]) == (
        3 if command == ["doctor"] else 1
    )
    out, err = bench.capsys.readouterr()
    assert "log is not whole" in out + err
    assert bench.bytes_of_lake() == before
    assert bench.code("erase", ID) == (0, "")
    assert bench.bytes_of_lake() != before
    main([*command, "--json", "--now", NOW, *bench.words])
    out, err = bench.capsys.readouterr()
    assert "log is not whole" not in out + err
