"""The address of a collector: one for each signal, and no secret in its text."""

from __future__ import annotations

import pickle

import pytest

from pipeline.flow.otlp_collector import Collector


def header() -> str:
    return "Bearer 1f0c"


@pytest.mark.parametrize("endpoint", ["http://localhost:4318", "http://localhost:4318/"])
def test_each_signal_has_its_address(endpoint: str) -> None:
    assert Collector(endpoint).url("traces") == "http://localhost:4318/v1/traces"


def test_it_travels_to_workers_and_does_not_print_its_header() -> None:
    told = Collector("http://localhost:4318", 5.0, header)
    assert pickle.loads(pickle.dumps(told)) == told
    assert "header" not in repr(told)
