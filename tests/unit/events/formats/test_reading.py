"""Columns of text, by the kernel."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest

from pipeline import native
from pipeline.events.decode.table import Kind
from pipeline.events.formats.reading import RECORD_BITS, Lines, Reader, texts_of
from tests.both_ways import use
from tests.formats.files import FORMATS


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    use("kernel", monkeypatch)
    found = native.kernel()
    assert found is not None
    return found


def test_comments_are_no_messages_and_refused_lines_are_named(kernel: ModuleType) -> None:
    reader = Reader(kernel, FORMATS["iis"], [(("date",), Kind.TEXT), (("b",), Kind.TEXT)])
    parts = [b"#Fields: date b", b"1 2", b"#Fields: b b", b"3 4", b"5", b""]
    ends = np.cumsum([len(part) for part in parts])
    starts = ends - [len(part) for part in parts]
    lines = Lines(np.frombuffer(b"".join(parts), np.uint8), starts, ends, np.arange(6), header=b"")
    columns, _ = reader.read(lines)
    assert [column.to_pylist() for column in columns] == [["1", None], ["2", "4"]]
    assert lines.messages.tolist() == [1, 3]
    refused = [
        ((places >> RECORD_BITS).tolist(), [one.value for one in why])
        for places, why in lines.refused
    ]
    assert [one for one in refused if one[0]] == [([4, 5], ["not_in_format", "empty"])]


def test_texts_of_a_part_of_a_column_are_those_of_the_part() -> None:
    bounds, data = texts_of(pa.array(["ab", None, "c"]).slice(1))
    assert bounds.tolist() == [2, 2, 3]
    assert data.tobytes() == b"abc"
