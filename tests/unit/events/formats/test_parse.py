"""Format files: what loads, and what a format that does not load is told."""

from __future__ import annotations

import pytest

from pipeline.errors import SchemaError
from pipeline.events.formats.model import Format, Unit
from pipeline.events.formats.parse import parse_format
from pipeline.io.package_data import load_format, load_schemas, packaged_formats

SCHEMAS = load_schemas()
HEAD = 'comment = "c"\nevent = "api_request"\nreads = "json"\n'
LEAST = 'event_id = { from = "@position" }\noccurred_at = { from = "t", time = "rfc3339" }\n'


def parse(more: str = "", head: str = HEAD, least: str = LEAST) -> Format:
    return parse_format(f"{head}[fields]\n{least}{more}", "own.toml", "own.toml", SCHEMAS)


def test_a_rule_is_read_as_it_is_written() -> None:
    found = parse('latency_ms = { from = ["a.b", \'c."d.e"\'], unit = "s", negative = "null" }')
    rule = next(rule for rule in found.rules if rule.field == "latency_ms")
    assert rule.sources == (("a", "b"), ("c", "d.e"))
    assert (rule.unit, rule.no_negative, rule.null) == (Unit.S, True, ("-", ""))
    assert (found.version, found.depth) == (SCHEMAS["api_request"][-1].version, 6)


def test_rules_are_in_the_order_of_the_schema() -> None:
    names = [rule.field for rule in parse('status = { from = "s" }\nmethod = { from = "m" }').rules]
    assert names == ["event_id", "occurred_at", "method", "status"]


def test_words_for_nothing_are_those_of_the_format_or_of_the_field() -> None:
    head = f'{HEAD}null = ["nil"]\n'
    found = parse('status = { from = "s", null = ["0"] }\nplan = { from = "p" }', head)
    assert {rule.field: rule.null for rule in found.rules if rule.field in ("status", "plan")} == {
        "status": ("0",),
        "plan": ("nil",),
    }


def test_an_earlier_version_may_be_named() -> None:
    assert parse(head=f"{HEAD}version = 1\n").version == 1


@pytest.mark.parametrize("name", packaged_formats())
def test_every_packaged_format_loads(name: str) -> None:
    found = load_format(name, SCHEMAS)
    assert (found.name, found.event in SCHEMAS) == (name, True)
    assert found.comment.endswith(".")


def test_a_format_says_what_cannot_work() -> None:
    assert [warning.partition(":")[0] for warning in parse().warnings] == [
        "this format carries no account_id",
        "this format carries no gpc and no dnt",
    ]
    more = "\n".join(f'{name} = {{ from = "{name}" }}' for name in ("account_id", "gpc", "dnt"))
    assert parse(more).warnings == ()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('stauts = { from = "s" }', "did you mean 'status'"),
        ('email = { from = "s" }', "'email' is not a raw field of api_request"),
        ('event = { from = "s" }', "'event' is not a field of a format"),
        ('status = { form = "s" }', "either a source or a value"),
        ('status = { from = "s", untit = "s" }', "the key 'untit' is not known"),
        ('status = { from = "s", value = 200 }', "either a source or a value"),
        ('status = { from = "s", unit = "s" }', "'unit' does nothing to a field of type int64"),
        ('latency_ms = { from = "s", unit = "sec" }', "Use one of s, ms, us, ns"),
        ('method = { from = ["a", "b"] }', "added up, which only numbers can be"),
        ('method = { from = "a..b" }', "is not a path"),
        ('method = { from = "@offset" }', "Only '@position' begins with @"),
        ('method = { from = "@position" }', "'@position' is an identifier"),
        ('account_id = { value = "x" }', "'value' does nothing to a field of type identifier"),
        ("method = { from = [] }", "'from' names nothing"),
        ("method = { from = [1] }", "something other than text"),
        ('plan = { from = "a", take = "first" }\nmodel = { from = "a" }', "in two ways"),
        ('latency_ms = { from = ["a", "b"], minus = "c" }', "Name one source"),
    ],
)
def test_a_field_that_cannot_be_made_does_not_load(more: str, message: str) -> None:
    with pytest.raises(SchemaError) as caught:
        parse(more)
    assert message in str(caught.value)
    assert caught.value.where.startswith("own.toml")


@pytest.mark.parametrize(
    ("head", "least", "message"),
    [
        (HEAD.replace("api_request", "api_requset"), LEAST, "did you mean 'api_request'"),
        (HEAD.replace('"json"', '"jsno"'), LEAST, "did you mean 'json'"),
        (HEAD.replace('comment = "c"\n', ""), LEAST, "'comment' is missing"),
        (f"{HEAD}version = 9\n", LEAST, "has no version 9"),
        (f"{HEAD}depth = 17\n", LEAST, "Write 6 to 16"),
        (f"{HEAD}expression = 1\n", LEAST, "the key 'expression' is not known"),
        (f"{HEAD}event = 1\n", LEAST, "not TOML"),
        (HEAD, "", "says nothing of event_id, occurred_at"),
        (HEAD, LEAST.replace(', time = "rfc3339"', ""), "'time' is missing"),
        (HEAD, LEAST.replace('"rfc3339"', '["unix_s", "unix_ns"]'), "cannot be told apart"),
    ],
)
def test_a_format_that_cannot_be_read_does_not_load(head: str, least: str, message: str) -> None:
    with pytest.raises(SchemaError) as caught:
        parse(head=head, least=least)
    assert message in str(caught.value)


def test_a_format_without_fields_does_not_load() -> None:
    with pytest.raises(SchemaError, match=r"\[fields\] is missing"):
        parse_format(HEAD, "own.toml", "own.toml", SCHEMAS)
