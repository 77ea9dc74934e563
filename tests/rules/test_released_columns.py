"""Against the last release: columns, events and versions are only added, and nothing means else."""

from __future__ import annotations

import copy
import json

import pytest

from pipeline import __version__
from pipeline.io.package_data import load_schemas
from tests.rules.released import SNAPSHOT, Tables, stored


def broken(before: Tables, now: Tables) -> list[str]:
    """What the later tables take away from the earlier ones, or do not merely add."""
    found = []
    for table, columns in before.items():
        later = now.get(table)
        if later is None:
            found.append(f"{table} is gone")
            continue
        for name, told in columns.items():
            if later.get(name) != told:
                found.append(f"{table}.{name} was {told}, and is {later.get(name)}")
        if [name for name in later if name in columns] != list(columns):
            found.append(f"{table}: the order of columns is another one")
        if "raw fields" in table and set(later) != set(columns):
            found.append(f"{table}: a published version was changed")
        added = [name for name in later if name not in columns]
        found += [f"{table}.{name} is new, and not null" for name in added
                  if later[name].partition(",")[0].endswith(" not null")]  # fmt: skip
    return found


def test_since_the_last_release_columns_were_only_added() -> None:
    """If a release was made: `python -m tests.rules.released`, and commit what it wrote."""
    released = json.loads(SNAPSHOT.read_text("utf-8"))
    assert broken(released["tables"], stored(load_schemas())) == []


def test_the_snapshot_is_of_this_release_or_of_an_earlier_one() -> None:
    def number(version: str) -> tuple[int, ...]:
        return tuple(int(part) for part in version.split("+")[0].split(".")[:3] if part.isdigit())

    assert number(json.loads(SNAPSHOT.read_text("utf-8"))["release"]) <= number(__version__)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda now: now.pop("session"), "session is gone"),
        (lambda now: now["session"].pop("fps"), "session.fps was"),
        (lambda now: now["session"].update(fps="int32, fps, None"), "session.fps was"),
        (lambda now: now["session"].update(plan=now["session"].pop("plan")), "order of columns"),
        (lambda now: now["session"].update(new="int8 not null, none, None"), "new, and not null"),
        (
            lambda now: now["session, raw fields of version 1"].update(new="string"),
            "published version",
        ),
    ],
)
def test_the_rule_sees_every_kind_of_break(change: object, told: str) -> None:
    before = stored(load_schemas())
    now = copy.deepcopy(before)
    assert callable(change)
    change(now)
    assert told in "\n".join(broken(before, now))


def test_additions_pass() -> None:
    before = stored(load_schemas())
    now = {**copy.deepcopy(before), "click": {"event_date": "date32[day] not null"}}
    now["session"] = {**now["session"], "new": "string, none, None"}
    assert broken(before, now) == []
