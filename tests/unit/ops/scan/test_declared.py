"""What may be stored, from declarations alone: layouts of files, rules of logs, names in paths."""

from __future__ import annotations

import pytest

from pipeline.io.parquet.encoding import BLOOM_COLUMN, PartKind
from pipeline.ops.rights.erasure import Subjects
from pipeline.ops.scan.column_values import Ceilings
from pipeline.ops.scan.declared import Declared, Sought
from pipeline.privacy.identity.epochs import EpochKind
from tests.dashboards import REGISTRY
from tests.privacy_rows import CATALOGUE, SCHEMAS

DECLARED = Declared(SCHEMAS, CATALOGUE, REGISTRY, Ceilings(), EpochKind.WEEK, ["telemetry.x"])


def test_names_in_paths_are_those_of_schemas_and_registry() -> None:
    assert set(DECLARED.known.events) == set(SCHEMAS)
    assert set(DECLARED.known.metrics) == set(REGISTRY.metrics)


@pytest.mark.parametrize("place", ["events", "restricted"])
@pytest.mark.parametrize("event", sorted(SCHEMAS))
def test_a_file_of_an_event_has_its_stored_columns_without_the_day(place: str, event: str) -> None:
    layout = DECLARED.layouts(f"{place}/{event}")[PartKind.STREAM]
    stored = [name for name in SCHEMAS[event][-1].stored.names if name != "event_date"]
    assert [schema.names for schema in layout.schemas][-1] == stored
    assert set(stored) <= set(layout.values)


def test_only_sealed_files_say_of_a_token_that_it_is_not_there() -> None:
    layouts = DECLARED.layouts("events/session")
    filters = {kind: layout.filters for kind, layout in layouts.items()}
    assert filters[PartKind.STREAM] == frozenset()
    assert filters[PartKind.SEALED] == filters[PartKind.FINAL] == {BLOOM_COLUMN}


def test_event_tokens_are_gone_after_the_final_seal_alone() -> None:
    layouts = DECLARED.layouts("events/session")
    assert {kind for kind, layout in layouts.items() if layout.empty} == {PartKind.FINAL}
    assert layouts[PartKind.FINAL].empty == {"event_token"}


def test_rejections_hold_no_token_in_any_file() -> None:
    for layout in DECLARED.layouts("rejections").values():
        assert layout.tokens == frozenset()
        assert "ingest_date" not in layout.schemas[0].names


@pytest.mark.parametrize("table", ["rejections", "events/session", "restricted/api_request"])
def test_every_table_has_rules_for_its_log(table: str) -> None:
    assert list(DECLARED.log_rules(table).entry({"alice": {}}))


def test_whoever_is_sought_is_not_shown() -> None:
    token = "a" * 32
    sought = Sought("erased_rows_gone", ("events",), Subjects(EpochKind.WEEK, {"w": [token]}), "x")
    assert token not in repr(sought)
