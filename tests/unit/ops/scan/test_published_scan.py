"""Publications hold the registry's definitions, words of their dimensions, and figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.ops.rollup.publication import PUBLISHED
from pipeline.ops.rollup.run import words
from pipeline.ops.scan.published_scan import (
    CELLS,
    GATED,
    manifest_rule,
    scan_manifest,
    scan_publication,
    vocabulary,
)
from pipeline.privacy.figures.gate import OTHER
from tests.dashboards import REGISTRY
from tests.privacy_rows import CATALOGUE, SCHEMAS

METRIC = REGISTRY.metrics["requests"]
WORDS = vocabulary(REGISTRY, SCHEMAS, CATALOGUE)
EMAIL = "alice@example.com"
ROW: dict[str, object] = {
    "grain": "week",
    "cut": "model",
    "first_day": date(2026, 11, 2),
    "last_day": date(2026, 11, 8),
    "key1": "v2v-large",
    "key2": "",
    "value": 300.0,
    "error": 4.0,
    "accounts": 100,
    "revision": 0,
    "published_at": datetime(2026, 11, 9, 3, tzinfo=UTC),
}


def scanned(
    *rows: Mapping[str, object],
    change: Callable[[pa.Table], pa.Table] = lambda table: table,
    said: Mapping[str, str] | None = None,
) -> list[tuple[tuple[str, ...], str, int]]:
    definition = {f"metric.{key}": text for key, text in (said or words(METRIC)).items()}
    table = pa.Table.from_pylist([{**ROW, **row} for row in rows], schema=PUBLISHED)
    sink = pa.BufferOutputStream()
    pq.write_table(change(table).replace_schema_metadata(definition), sink, compression="zstd")
    source = pa.BufferReader(sink.getvalue())
    found = list(scan_publication(source, "lake/r", METRIC, WORDS))
    assert not any(EMAIL in str(one) for one in found)
    return [(one.checks, one.reason, one.count) for one in found]


def test_a_publication_as_a_rollup_writes_it_is_sound() -> None:
    assert scanned({}, {"key1": OTHER}, {"cut": "country", "key1": "DE"}) == []
    assert scanned({"grain": "day", "cut": "", "key1": ""}) == []


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"key1": EMAIL}, "cells whose name is no word of their dimension"),
        ({"key2": "pro"}, "cells whose name is no word of their dimension"),
        ({"cut": "country", "key1": "DEU"}, "cells whose name is no word of their dimension"),
        ({"cut": EMAIL}, "cells of a table that the metric does not have"),
        ({"grain": "day"}, "cells of a table that the metric does not have"),
        ({"made_of": EMAIL}, "origins that are none"),
        ({"value": -1.0}, "figures that are no quantity"),
        ({"value": float("nan")}, "figures that are no quantity"),
    ],
)
def test_a_cell_that_may_not_be_there_is_counted(row: dict[str, object], reason: str) -> None:
    assert ((CELLS,), reason, 1) in scanned({}, row)


@pytest.mark.parametrize("accounts", [19, 0, None])
def test_a_cell_of_a_few_accounts_is_found(accounts: int | None) -> None:
    assert ((GATED,), "cells of under 20 accounts", 1) in scanned({}, {"accounts": accounts})


def test_other_columns_or_another_definition_are_found() -> None:
    extra = scanned({}, change=lambda table: table.append_column("note", pa.array([EMAIL])))
    assert [(checks, reason) for checks, reason, _ in extra] == [
        ((CELLS, GATED), "its columns are not those of a publication")
    ]
    other = scanned({}, said={**words(METRIC), "title": EMAIL})
    assert other[0][:2] == ((CELLS,), "a definition that is not the registry's")


def test_a_word_that_no_cell_has_any_more_is_found_in_the_dictionary() -> None:
    def hidden(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index("key1")
        column = pa.DictionaryArray.from_arrays(pa.array([0]), pa.array(["v2v-large", EMAIL]))
        return table.set_column(at, "key1", column)

    found = scanned({}, change=hidden)
    assert any("dictionary" in reason or "columns" in reason for _, reason, _ in found)


@pytest.mark.parametrize(
    ("dimension", "key", "allowed"),
    [
        ("model", "v2v-large", True),
        ("model", OTHER, True),
        ("model", EMAIL, False),
        ("country", "ZZ", True),
        ("country", "zz", False),
        ("sdk_version", "3.2", True),
        ("sdk_version", "3.2.1", False),
        ("reason", "not_json", True),
        ("reason", EMAIL, False),
    ],
)
def test_a_cell_is_named_by_words_of_its_dimension(dimension: str, key: str, allowed: bool) -> None:
    assert WORDS.allows(dimension, key) is allowed


def test_the_manifest_says_what_the_registry_and_the_run_say() -> None:
    rule = manifest_rule(REGISTRY, SCHEMAS)

    def found(document: Mapping[str, Any]) -> list[str]:
        content = json.dumps(document).encode()
        return [str(one) for one in scan_manifest("m", content, rule)]

    missing = found({})
    assert any("metrics: a key that is missing" in one for one in missing)
    changed = found({"metrics": [EMAIL], "owner": EMAIL})
    assert "m, metrics: not what is declared for this place" in changed
    assert "m, : a key that is not declared" in changed
    assert not any(EMAIL in one for one in changed)
