"""`telemetry export`: everything of one account, in a folder that is new and private."""

from __future__ import annotations

import json

from tests.unit.cli.commands.tiny import Tiny


def test_the_rows_of_one_account_are_handed_out(tiny: Tiny) -> None:
    out = tiny.folder / "out"
    done = tiny.call("export", tiny.account, "--out", str(out))
    assert done == {"rows": tiny.rows, "unknown": 0, "folder": str(out), "receipt": 1}
    assert out.stat().st_mode & 0o077 == 0
    (lines,) = (path for path in out.rglob("api_request.jsonl"))
    rows = [json.loads(line) for line in lines.read_text("utf-8").splitlines()]
    assert len(rows) == tiny.rows
    assert all(tiny.account not in str(row) for row in rows)


def test_an_export_is_of_one_account_and_into_a_new_folder(tiny: Tiny) -> None:
    (tiny.folder / "full").mkdir()
    (tiny.folder / "full" / "file").touch()
    tiny.refused("export", tiny.account, "--out", str(tiny.folder / "full"), code=2)
    assert sorted(path.name for path in (tiny.folder / "full").iterdir()) == ["file"]
    assert tiny.call("receipts", "list")["receipts"] == []
