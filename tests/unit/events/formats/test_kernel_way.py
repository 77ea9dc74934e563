"""Slices by the kernel: what differs from one line at a time is in the property tests."""

from __future__ import annotations

from types import ModuleType

import pytest

from pipeline import native
from pipeline.events.formats.kernel_way import ByKernel
from pipeline.events.formats.parse import parse_format
from tests.both_ways import use
from tests.formats.files import FORMATS, SCHEMAS, file_of
from tests.property.decoding import slice_of


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    use("kernel", monkeypatch)
    found = native.kernel()
    assert found is not None
    return found


def test_a_reader_keeps_nothing_of_what_it_read(kernel: ModuleType) -> None:
    reader = ByKernel(kernel, FORMATS["nginx_json"], SCHEMAS["api_request"])
    source = slice_of("api_request", file_of("nginx_json", 20).lines)
    before = repr(vars(reader))
    made = reader.make(source)
    assert repr(vars(reader)) == before
    assert "canary" not in before + repr(made)


def test_lists_that_hold_something_else_are_counted_by_row(kernel: ModuleType) -> None:
    text = (
        'comment = "c"\nevent = "session"\nreads = "json"\n[fields]\n'
        'event_id = { from = "@position" }\nsession_id = { from = "s" }\n'
        'started_at = { from = "t", time = "unix_s" }\nfeatures = { from = "f" }\n'
    )
    format_ = parse_format(text, "own.toml", "own.toml", SCHEMAS)
    reader = ByKernel(kernel, format_, SCHEMAS["session"])
    lines = [b'{"s":"a","t":1,"f":[1]}', b'{"t":1,"f":[1]}', b'{"s":"a","t":1,"f":["x"]}']
    made = reader.make(slice_of("session", lines))
    assert made.refused.tolist() == [1]
    assert made.nulled == {("features", "invalid_type"): 1}
