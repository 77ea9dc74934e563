"""Explaining: what is done with each field, and for a real event what would be stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from pipeline.io.package_data import load_catalogue, load_format, load_schemas
from pipeline.ops.explain import Explanation, explain_event, explain_schema
from pipeline.ops.trial import Rules
from pipeline.privacy.policy import Policy

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SCHEMAS = load_schemas()
EMAIL = "somebody@example.com"
RULES = Rules(load_catalogue(), lambda _: "DE", Policy(public_ranges=("198.18.0.0/15",)), NOW)


def explained(**fields: object) -> Explanation:
    event = {
        "event": "api_request",
        "version": 1,
        "event_id": f"evt-{EMAIL}",
        "occurred_at": "2026-11-24T05:00:00Z",
        **fields,
    }
    return explain_event(json.dumps(event).encode(), SCHEMAS["api_request"], RULES)


@pytest.mark.parametrize("event", SCHEMAS)
def test_every_field_of_a_schema_has_a_fate_and_words(event: str) -> None:
    schema = SCHEMAS[event][-1]
    explanation = explain_schema(schema)
    assert [story.field for story in explanation.fields] == [field.name for field in schema.fields]
    for story, field in zip(explanation.fields, schema.fields, strict=True):
        assert story.fate == field.treatment.fate
        assert story.how == field.treatment.in_words()
        assert story.purpose == field.purpose
        assert set(story.stored) == {column.name for column in field.columns}


def test_an_event_is_told_by_what_would_be_stored() -> None:
    explanation = explained(
        account_id=EMAIL, client_ip="198.18.7.9", path=f"/users/{EMAIL}", latency_ms=-5, status=200
    )
    assert explanation.refused is None
    stories = {story.field: story for story in explanation.fields}
    assert stories["account_id"].fate == "tokenised"
    assert stories["client_ip"].stored == {
        "country": "DE",
        "ip_prefix": "198.18.0.0/16",
        "ip_class": "public",
    }
    assert stories["path"].stored == {"route": "/{unmatched}"}
    assert stories["latency_ms"].fate == "made null"
    assert stories["session_id"].fate == "absent"
    assert stories["status"].stored == {"status": 200}
    assert EMAIL not in repr(explanation)


def test_tokens_of_an_explanation_match_nothing_else() -> None:
    first, second = (explained(account_id="acct_1") for _ in range(2))
    tokens = {
        story.stored["subject"]
        for explanation in (first, second)
        for story in explanation.fields
        if story.field == "account_id"
    }
    assert len(tokens) == 2


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"version": 99}, "rejected: unknown_version"),
        ({"occurred_at": "2020-01-01T00:00:00Z"}, "rejected: too_old"),
        ({"occurred_at": EMAIL}, "rejected: invalid_time"),
        ({"event_id": 5}, "rejected: invalid_type"),
        ({"event_id": None}, "rejected: missing_field (event_id)"),
    ],
)
def test_an_event_that_is_refused_is_told_by_its_reason(
    fields: dict[str, object], refused: str
) -> None:
    explanation = explained(**fields)
    assert explanation.refused == refused
    assert explanation.fields == ()


def test_a_signal_drops_the_whole_event() -> None:
    assert explained(gpc="1").refused == "dropped: signal"


def test_a_format_is_explained_with_the_places_of_its_fields() -> None:
    explanation = explain_schema(SCHEMAS["api_request"][-1], load_format("envoy", SCHEMAS))
    stories = {story.field: story for story in explanation.fields}
    assert stories["event"].source == "constant"
    assert stories["event_id"].source == "request_id, else @position"
    assert (stories["model"].source, stories["model"].fate) == ("", "absent")
    alb = explain_schema(SCHEMAS["api_request"][-1], load_format("aws_alb", SCHEMAS))
    latency = next(story for story in alb.fields if story.field == "latency_ms")
    assert latency.source.count(" + ") == 2


def test_a_line_of_a_format_is_explained() -> None:
    nginx = load_format("nginx_json", SCHEMAS)
    line = {"time_iso8601": "2026-11-24T05:00:00Z", "http_x_account_id": EMAIL, "status": "200"}
    explanation = explain_event(json.dumps(line).encode(), SCHEMAS["api_request"], RULES, nginx)
    stories = {story.field: story for story in explanation.fields}
    assert (stories["account_id"].fate, stories["account_id"].source) == (
        "tokenised",
        "http_x_account_id",
    )
    assert EMAIL not in repr(explanation)
    del line["time_iso8601"]
    explanation = explain_event(json.dumps(line).encode(), SCHEMAS["api_request"], RULES, nginx)
    assert explanation.refused == "rejected: missing_field (occurred_at)"
