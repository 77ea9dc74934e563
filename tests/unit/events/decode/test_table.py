"""Tables: paths into nested objects, kinds of values, and what a table refuses to be."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pipeline import native
from pipeline.events.decode.columns import Columns
from pipeline.events.decode.table import KernelTable, Kind, Path
from pipeline.events.model import Reason
from tests.both_ways import use


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    use("kernel", monkeypatch)
    found = native.kernel()
    assert found is not None
    return found


def decode(table: KernelTable, *messages: object) -> Columns:
    texts = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in messages]
    ends = np.cumsum([len(text) for text in texts])
    return table.decode(b"".join(texts), ends - [len(text) for text in texts], ends)


def values(found: Columns) -> list[list[Any]]:
    return [array.to_pylist() for array in found.arrays]


CADDY: list[tuple[Path, Kind]] = [
    (("ts",), Kind.SCALAR),
    (("request", "remote_ip"), Kind.TEXT),
    (("request", "headers", "User-Agent"), Kind.LIST),
    (("request", "headers", "Sec-Gpc"), Kind.SIGNAL),
    (("status",), Kind.INT),
    (("request", "tls"), Kind.SCALAR),
]


def test_a_path_leads_into_nested_objects(kernel: ModuleType) -> None:
    line = {
        "ts": 1714558830.25,
        "request": {
            "remote_ip": "192.0.2.1",
            "headers": {"User-Agent": ["a", "b"], "Sec-Gpc": ["1"], "Cookie": ["secret"]},
            "tls": {"version": 772},
        },
        "status": 200,
    }
    found = decode(KernelTable(kernel, CADDY), line, {"request": {}}, {}, {"request": 5})
    assert values(found) == [
        ["1714558830.25", None, None, None],
        ["192.0.2.1", None, None, None],
        [["a", "b"], None, None, None],
        ["1", None, None, None],
        [200, None, None, None],
        ["\0", None, None, None],
    ]
    assert dict(found.nulled) == {(5, Reason.INVALID_TYPE): 1}


def test_names_of_other_objects_are_not_taken(kernel: ModuleType) -> None:
    lines = ({"remote_ip": "x", "headers": {"User-Agent": ["x"]}}, {"x": {"request": {"tls": 1}}})
    found = decode(KernelTable(kernel, CADDY), *lines)
    assert all(column == [None, None] for column in values(found))


def test_what_decoding_refuses_is_refused_inside_of_a_path_too(kernel: ModuleType) -> None:
    deep = b'{"request":{"a":{"a":{"a":{"a":{"a":{}}}}}}}'
    twice = b'{"request":{"remote_ip":"a","remote_ip":"b"}}'
    table = KernelTable(kernel, CADDY)
    found = decode(table, twice, deep, b'{"request":{"\\u0000":1}}', b"[]")
    assert [reason.value for reason in found.reasons] == [
        "duplicate_key",
        "too_deep",
        "forbidden_character",
        "not_object",
    ]
    assert decode(KernelTable(kernel, CADDY, depth=16), deep).rows == 1


def test_a_scalar_is_the_text_that_json_writes(kernel: ModuleType) -> None:
    table = KernelTable(kernel, [(("v",), Kind.SCALAR)])
    found = decode(
        table, b'{"v":1.50}', b'{"v":true}', b'{"v":"\\u0041"}', b'{"v":""}', b'{"v":[1]}'
    )
    assert values(found) == [["1.50", "true", "A", None, "\0"]]


def test_many_fields_are_no_limit(kernel: ModuleType) -> None:
    fields = [((f"f{at}",), Kind.INT) for at in range(500)]
    found = decode(KernelTable(kernel, fields), {f"f{at}": at for at in range(400, 500)})
    assert [column[0] for column in values(found)] == [None] * 400 + list(range(400, 500))


@pytest.mark.parametrize(
    "fields",
    [[((), Kind.INT)], [(("a",), Kind.INT), (("a",), Kind.TEXT)]],
    ids=["an empty path", "a path twice"],
)
def test_a_table_that_cannot_be_is_refused(
    kernel: ModuleType, fields: list[tuple[Path, Kind]]
) -> None:
    with pytest.raises(ValueError, match="a path is empty or named twice"):
        KernelTable(kernel, fields)


def test_places_outside_of_the_data_are_refused(kernel: ModuleType) -> None:
    table = KernelTable(kernel, CADDY)
    for start, end in ((0, 3), (-1, 1), (2, 1)):
        with pytest.raises(ValueError, match="outside of its slice"):
            table.decode(b"{}", np.array([start]), np.array([end]))


def test_nothing_that_is_shown_holds_a_value(kernel: ModuleType) -> None:
    table = KernelTable(kernel, CADDY)
    found = decode(table, {"ts": "canary"})
    assert "canary" not in repr(found) + repr(table) + repr(vars(table))
