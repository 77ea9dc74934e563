"""Tools are built once and remember answers; a batch's work reads columns and counts nulls."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa

from pipeline.privacy.policy import Policy
from pipeline.privacy.tools import Tools, Work
from tests.privacy_rows import CATALOGUE, SCHEMAS, nowhere

SCHEMA = SCHEMAS["api_request"][-1]


def tools(asked: list[str] | None = None) -> Tools:
    def country(network: str) -> str:
        if asked is not None:
            asked.append(network)
        return nowhere(network)

    return Tools(CATALOGUE, Policy(trusted_proxies=("10.0.0.0/8",)), country)


def work(**columns: pa.Array) -> Work:
    none = np.zeros(0, np.int64)
    rows = pa.RecordBatch.from_pydict(columns)
    return Work(SCHEMA, rows, none, none, none, (), Counter())


def test_an_address_that_comes_again_is_not_looked_up_again() -> None:
    asked: list[str] = []
    found = tools(asked).addresses(16, 32)
    first = found.peers.get(["8.8.4.77", "10.1.2.3"])
    assert found.peers.get(["10.1.2.3", "8.8.4.77"]) == first[::-1]
    assert [trusted for _, trusted in first] == [False, True]
    assert len(asked) == 1


def test_each_pair_of_declared_bits_has_answers_of_its_own() -> None:
    one = tools()
    narrow, wide = one.addresses(8, 32), one.addresses(24, 48)
    assert one.addresses(8, 32) is narrow
    kept = [found.peers.get(["8.8.4.77"])[0][0].prefix for found in (narrow, wide)]
    assert kept == ["8.0.0.0/8", "8.8.4.0/24"]


def test_a_closed_list_is_that_of_the_catalogue_and_built_once() -> None:
    one = tools()
    assert one.values("models").to_pylist() == list(CATALOGUE.values("models"))
    assert one.values("models") is one.values("models")
    assert one.agents is one.agents


def test_a_raw_column_has_its_declared_type_also_where_it_is_missing() -> None:
    batch = work(status=pa.array([200, None], pa.int64()))
    assert batch.raw(SCHEMA.field("status")).to_pylist() == [200, None]
    missing = batch.raw(SCHEMA.field("latency_ms"))
    assert missing.type == SCHEMA.raw.field("latency_ms").type
    assert missing.to_pylist() == [None, None]
    assert batch.column("method").to_pylist() == [None, None]


def test_only_what_was_there_is_counted() -> None:
    batch = work(status=pa.array([1]))
    for count in (0, 2, 3):
        batch.count_nulled(SCHEMA.field("status"), "out_of_range", count)
    assert batch.nulled == {("status", "out_of_range"): 5}


def test_a_batchs_work_does_not_show_its_values() -> None:
    assert "alice" not in repr(work(model=pa.array(["alice"])))
