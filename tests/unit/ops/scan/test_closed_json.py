"""A grammar of JSON names what does not fit, by the keys that it declares and never by a value."""

from __future__ import annotations

import json

import pytest

from pipeline.ops.scan.closed_json import (
    MOST,
    Rule,
    anything,
    day,
    document,
    either,
    exactly,
    flag,
    keyed,
    moment,
    number,
    one_of,
    optional,
    pair,
    parse,
    record,
    sequence,
    text,
    whole,
)

SECRET = "alice@example.com"


def misfits(rule: Rule, value: object) -> list[str]:
    found = [str(one) for one in rule(value)]
    assert not any(SECRET in one for one in found)
    return found


@pytest.mark.parametrize(
    ("rule", "fit", "unfit"),
    [
        (text("[a-z]+"), ["a", "abc"], ["", "A", "a\n", "a b", 1, None, SECRET]),
        (one_of(["a", "b"]), ["a"], ["c", "", None, ["a"], {"a": 1}]),
        (exactly(1), [1], [True, 1.0, "1", None]),
        (whole(1, 9), [1, 9], [0, 10, True, 1.0, "1", None]),
        (whole(), [0, MOST], [-1, MOST + 1]),
        (number(), [0, -1.5], [True, "1", None, float("nan")]),
        (flag(), [True, False], [0, 1, "true", None]),
        (moment(), ["2026-11-24T12:00:00Z"], ["", "noon", 5, None, SECRET]),
        (day(), ["2026-11-24"], ["20261124", "2026-11-31", "2026-11-24T00:00:00", 5]),
        (optional(flag()), [None, True], [0]),
        (either(flag(), whole()), [True, 3], ["x", None]),
        (pair(whole(), flag()), [[1, True]], [[1], [1, True, 1], [True, 1], (1, True), None]),
        (sequence(whole()), [[], [1, 2]], [[1, "x"], {"a": 1}, "12"]),
        (keyed(text("[a-z]"), whole()), [{}, {"a": 1}], [{"A": 1}, {"a": "x"}, []]),
        (document(whole()), ["5", b"5"], ["", "x", '{"a":1,"a":1}', 5, None]),
        (anything, [None, SECRET], []),
    ],
)
def test_a_rule_fits_what_it_declares_and_nothing_else(
    rule: Rule, fit: list[object], unfit: list[object]
) -> None:
    assert [misfits(rule, value) for value in fit] == [[]] * len(fit)
    assert [value for value in unfit if not misfits(rule, value)] == []


def test_a_record_has_its_keys_and_no_others() -> None:
    rule = record({"rows": whole()}, {"note": text("[a-z]+")})
    assert misfits(rule, {"rows": 1}) == misfits(rule, {"rows": 1, "note": "x"}) == []
    assert misfits(rule, {"note": "x"}) == ["rows: a key that is missing"]
    assert misfits(rule, {"rows": 1, SECRET: 1}) == [": a key that is not declared"]
    assert misfits(rule, [SECRET]) == [": not an object"]


def test_a_misfit_is_found_however_deep_and_told_by_declared_keys() -> None:
    rule = record({"tables": keyed(text("[a-z]+"), sequence(record({"rows": whole()})))})
    value = {"tables": {"session": [{"rows": 1}, {"rows": SECRET}]}}
    assert misfits(rule, value) == ["tables.*.*.rows: not a whole number"]


@pytest.mark.parametrize(
    "source", ["", "{", '{"a":1}{"b":2}', '{"a":1,"a":2}', '[{"a":1,"\\u0061":2}]', "[" * 100_000]
)
def test_what_is_not_one_document_is_none(source: str) -> None:
    assert parse(source) is None


def test_a_document_is_told_from_none_at_all() -> None:
    assert parse("null") == (None,)
    assert parse(json.dumps({"a": [1]}).encode()) == ({"a": [1]},)
