"""The entry of an append is what delta-rs would have written, and takes no version twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.io.delta.append import append
from pipeline.io.delta.log_files import entry_name
from tests.unit.io.delta.test_standing import opened, root, take
from tests.unit.io.lakes import app_id, batch

__all__ = ["root"]


def test_an_entry_is_what_delta_rs_writes(root: Path) -> None:
    """The same kinds of lines in the same order, with the same names; nothing else is lacking."""
    table = opened(root)
    whole = table.log.ensure()
    staged = table.stage(batch(0, 4))
    staged.reveal()
    actions = staged.actions()
    table.log.commit(whole, actions, {app_id(): 4}, {"job": "test"})
    table.log.commit(table.log.ready(), actions, {app_id(): 5}, {"job": "test"})
    theirs, ours = (
        [json.loads(line) for line in (table.log.folder / entry_name(at)).read_text().splitlines()]
        for at in (1, 2)
    )
    assert [list(line) for line in theirs] == [list(line) for line in ours]
    for their, our in zip(theirs, ours, strict=True):
        (said,), (meant,) = our.values(), their.values()
        assert said.keys() == {name for name, value in meant.items() if value is not None}
        for name in said.keys() - {"timestamp", "telemetry", "version"}:
            assert said[name] == meant[name] or json.loads(said[name]) == json.loads(meant[name])


def test_a_version_that_another_commit_has_is_refused_and_leaves_no_file(root: Path) -> None:
    table = opened(root)
    take(table, 0, 1)
    before = sorted(path.name for path in table.log.folder.iterdir())
    entry = (table.log.folder / entry_name(1)).read_bytes()
    with pytest.raises(FileExistsError):
        append(table.log.uri, 1, "event_date", [], {app_id(): 9}, {})
    assert (table.log.folder / entry_name(1)).read_bytes() == entry
    assert sorted(path.name for path in table.log.folder.iterdir()) == before
