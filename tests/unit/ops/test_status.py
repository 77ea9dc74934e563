"""A look at lake and inputs changes nothing, and says how much is where and what is left."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.io.lake.lake import Lake
from pipeline.io.package_data import load_schemas
from pipeline.ops.status import InputState, input_states, recent_nulled, table_states
from tests.privacy_rows import anonymize
from tests.unit.io.files.bench import Bench, key

SCHEMAS = load_schemas()
LINES = b'{"a":1}\n{"b":2}\n'


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def store(lake: Lake, rows: int, topic: str = "t") -> None:
    """Commit rows of which each has one value that became null."""
    batch = anonymize("session", [{"rtt_ms": -1.0}] * rows)
    table = lake.events("session", SCHEMAS["session"][-1].stored)
    span = replace(batch.span, topic=topic, start=0, stop=rows)
    table.commit(replace(batch, span=span))


def test_a_lake_that_was_never_written_is_empty_and_stays_so(lake: Lake, tmp_path: Path) -> None:
    states = table_states(lake, SCHEMAS)
    assert [state.table for state in states] == [*sorted(SCHEMAS), "rejections"]
    assert {(one.version, one.rows, one.files, one.bytes, one.oldest) for one in states} == {
        (-1, 0, 0, 0, None)
    }
    assert recent_nulled(lake, SCHEMAS, states) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_table_is_told_by_its_days(lake: Lake) -> None:
    store(lake, 3)
    store(lake, 2, "u")
    (state,) = (one for one in table_states(lake, SCHEMAS) if one.table == "session")
    (day,) = state.days
    assert (state.version, state.rows, state.files, state.oldest) == (2, 5, 2, day.date)
    assert state.bytes == day.bytes == lake.stored("session").snapshot().size


def test_values_that_became_null_are_counted_over_the_last_commits(lake: Lake) -> None:
    store(lake, 3)
    store(lake, 2, "u")
    found = recent_nulled(lake, SCHEMAS, table_states(lake, SCHEMAS))
    assert found == {"session": {"rtt_ms.negative": 5}}


@pytest.fixture
def inputs(tmp_path: Path) -> Bench:
    folder = tmp_path / "in"
    folder.mkdir()
    return Bench(folder)


def look(inputs: Bench) -> list[InputState]:
    return input_states("logs", "api_request", [str(inputs.folder)], key(), inputs.ask)


def test_a_file_is_told_with_what_is_not_in_the_lake_yet(inputs: Bench) -> None:
    path = inputs.write("a.ndjson", LINES)
    assert look(inputs) == [
        InputState("logs", "api_request", str(path), None, len(LINES), len(LINES))
    ]
    inputs.take(inputs.reader())
    (state,) = look(inputs)
    assert (state.position, state.lag_bytes) == (len(LINES), 0)
    inputs.append("a.ndjson", LINES)
    (state,) = look(inputs)
    assert (state.position, state.size, state.lag_bytes) == (len(LINES), 2 * len(LINES), len(LINES))


def test_looking_reads_no_position_into_the_lake_and_takes_no_claim(inputs: Bench) -> None:
    inputs.write("a.ndjson", LINES)
    look(inputs)
    assert inputs.positions == {}
    assert not (inputs.folder.parent / "claims").exists()


def test_a_compressed_file_that_was_read_has_nothing_left(inputs: Bench) -> None:
    inputs.write("a.ndjson.gz", gzip.compress(LINES))
    (state,) = look(inputs)
    assert (state.position, state.lag_bytes) == (None, state.size)
    inputs.take(inputs.reader())
    (state,) = look(inputs)
    assert (state.position, state.lag_bytes) == (len(LINES), 0)
