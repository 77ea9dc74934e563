"""The measurement of what an insider can single out: it runs, and version 2 is the better one."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import linkage


def test_fewer_rows_can_be_singled_out_after_than_before(tmp_path: Path) -> None:
    out = tmp_path / "linkage.json"
    assert linkage.main(["--rows", "20000", "--json", str(out)]) == 0
    found = json.loads(out.read_text("utf-8"))
    pairs = list(zip(found["before"], found["after"], strict=True))
    assert all(after["rows"] <= before["rows"] for before, after in pairs)
    assert all(after["tokens"] <= before["tokens"] for before, after in pairs)
    agent, sizes = pairs[0], pairs[1]
    assert agent[1]["rows"] < agent[0]["rows"]
    assert sizes[1]["rows"] < 0.9 * sizes[0]["rows"]
    # More knowledge never singles out fewer.
    shares = [row["rows"] for row in found["after"]]
    assert shares == sorted(shares)
