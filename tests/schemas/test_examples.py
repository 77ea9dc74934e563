"""Every example message of this folder, as it stands and on one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.property.decoding import SCHEMAS, assert_same, slice_of

FOLDER = Path(__file__).parent
PASS, FAIL = sorted(FOLDER.glob("*.pass.json")), sorted(FOLDER.glob("*.fail.json"))


def both_forms(path: Path) -> tuple[str, list[bytes]]:
    """The event, and the message as it stands in the file and on one line."""
    raw = path.read_bytes().strip()
    line = one_line(json.loads(raw, object_pairs_hook=list))
    return path.name.split(".")[0], [raw, line.encode()]


def one_line(value: object) -> str:
    """JSON of a value in which objects are lists of pairs."""
    if isinstance(value, list) and value and all(isinstance(item, tuple) for item in value):
        members = (f"{json.dumps(name)}: {one_line(item)}" for name, item in value)
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(one_line(item) for item in value) + "]"
    return json.dumps(value)


@pytest.mark.parametrize("path", PASS, ids=[path.name for path in PASS])
def test_a_good_example_is_read_without_loss(path: Path) -> None:
    event, messages = both_forms(path)
    answer = assert_same(slice_of(event, messages * 2))
    assert answer.rejected == []
    assert answer.nulled == {}
    sent = json.loads(messages[1])
    for row in answer.rows:
        given = {name for name, value in sent.items() if value not in (None, "")} & set(row)
        given -= {"gpc", "dnt"}  # they say something only when they are "1"
        assert {name for name in given if row[name] is None} == set()


@pytest.mark.parametrize("path", FAIL, ids=[path.name for path in FAIL])
def test_a_bad_example_is_rejected_for_the_reason_in_its_name(path: Path) -> None:
    event, messages = both_forms(path)
    answer = assert_same(slice_of(event, messages))
    reason = path.name.split(".")[2].split("-")[0]
    assert [row["reason"] for row in answer.rejected] == [reason] * len(messages)


def test_every_event_and_version_has_examples() -> None:
    covered = {tuple(path.name.split(".")[:2]) for path in PASS}
    assert covered == {
        (event, f"v{schema.version}") for event, schemas in SCHEMAS.items() for schema in schemas
    }
    assert covered == {tuple(path.name.split(".")[:2]) for path in FAIL}
