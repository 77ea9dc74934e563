"""Every promise has a check, every check a promise, and the documents list the same promises."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from pipeline.errors import LakeError, SchemaError
from pipeline.events.promises import parse_promises
from pipeline.events.schema import SUBJECT
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.rejection_table import STORED
from pipeline.io.package_data import load_schemas
from pipeline.ops.audit.audit import proven
from pipeline.ops.audit.checks import CHECKS, packaged_promises
from pipeline.ops.rights.worker import erasure_targets
from pipeline.ops.rollup.publication import PUBLISHED
from tests.rules.sources import ROOT
from tests.unit.ops.rights.desk import World, days_back


def test_every_field_serves_a_promise_and_promises_stand_once() -> None:
    promised = [promise.id for promise in packaged_promises()]
    served = {field.purpose for vs in load_schemas().values() for one in vs for field in one.fields}
    assert served <= set(promised)
    assert len(set(promised)) == len(promised)


def test_every_check_proves_a_promise() -> None:
    used = {name for promise in packaged_promises() for name in promise.checks}
    assert used == set(CHECKS)


def test_a_promise_without_a_check_does_not_load() -> None:
    text = "promises:\n  - id: P99\n    text: Nothing proves this\n    checks: []\n"
    with pytest.raises(SchemaError, match="no check"):
        parse_promises(text, "promises.yaml")


def test_an_unknown_check_does_not_load() -> None:
    text = "promises:\n  - id: P99\n    text: Words\n    checks: [no_orphan]\n"
    with pytest.raises(SchemaError, match="no check 'no_orphan'"):
        proven(parse_promises(text, "promises.yaml"), CHECKS, "promises.yaml")


def test_the_documents_list_the_same_promises() -> None:
    text = (ROOT / "docs" / "privacy.md").read_text("utf-8")
    listed = dict(re.findall(r"^\| (P\d\d) \| (.+?) \|", text, re.M))
    assert listed == {promise.id: promise.text for promise in packaged_promises()}


def test_every_stored_event_can_be_erased_from() -> None:
    unreachable = [
        event
        for event, versions in load_schemas().items()
        if SUBJECT not in versions[-1].stored.names
    ]
    assert unreachable == []


def test_what_is_no_erasure_target_has_nobody_in_it() -> None:
    """Rejections and publications are not searched by an erasure, so they may name no one."""
    for schema in (STORED, PUBLISHED):
        assert not {"subject", "session", "event_token"} & set(schema.names)


def test_every_dataset_with_a_subject_is_searched(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.store([("a", day) for day in days_back(1)])
    world.restriction.restrict(world.subjects("a"))
    found = {
        str(log.parent.relative_to(world.folder / "lake"))
        for log in (world.folder / "lake").rglob("_delta_log")
        if SUBJECT in pa.schema(DeltaTable(log.parent).schema().to_arrow()).names
    }
    assert {target.name for target in erasure_targets(world.lake)} == found
    assert found == {"events/api_request", "restricted/api_request"}


def test_a_table_that_nobody_can_be_erased_from_stops_the_worker(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    schema = pa.schema([pa.field("event_date", pa.date32(), nullable=False)])
    lake.events("anonymous", schema).log.ensure()
    with pytest.raises(LakeError, match="no subject column"):
        erasure_targets(lake)
