"""The account of a sample adds up, and holds declared names and counts alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from pipeline.events.formats.guess import refusals
from pipeline.io.package_data import load_catalogue, load_schemas
from pipeline.ops.proposal.account import SampleAccount, account_of
from pipeline.ops.trial import Rules, anonymize_batch, decode_messages
from pipeline.privacy.policy import Policy

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SCHEMAS = load_schemas()["api_request"]
RULES = Rules(load_catalogue(), lambda _: "ZZ", Policy(max_age_days=89), NOW)


def line(**fields: object) -> bytes:
    one = {"event": "api_request", "version": 1, "event_id": "canary"}
    return json.dumps({**one, "occurred_at": "2026-11-24T05:00:00Z", **fields}).encode()


def account(*messages: bytes) -> SampleAccount:
    raw = decode_messages(messages, SCHEMAS, None)
    clean = anonymize_batch(raw, SCHEMAS, RULES)
    return account_of(raw, clean, SCHEMAS[-1], RULES, 7, refusals(messages, SCHEMAS, None))


def test_every_message_is_kept_rejected_or_dropped() -> None:
    found = account(
        line(method="GET", path="/v1/models"),
        line(method="GET", path="/canary", latency_ms=-1),
        line(occurred_at="2026-11-01T05:00:00Z"),
        line(occurred_at="2026-01-01T05:00:00Z"),
        line(event_id=None),
        line(gpc="1"),
        b"canary",
    )
    assert (found.event, found.read, found.kept, found.old) == ("api_request", 7, 3, 1)
    assert found.rejected == {"missing_field (event_id)": 1, "not_json": 1, "too_old": 1}
    assert found.dropped == {"signal": 1}
    assert found.nulled == {"latency_ms.negative": 1}
    assert found.unmatched == 1
    assert "canary" not in repr(found)


def test_a_field_is_told_by_its_fate_and_how_many_lines_have_it() -> None:
    fields = {one.field: one for one in account(line(account_id="a"), line(status=200)).fields}
    assert list(fields) == [field.name for field in SCHEMAS[-1].fields]
    assert (fields["account_id"].fate, fields["account_id"].lines) == ("tokenised", 1)
    assert (fields["status"].fate, fields["status"].lines) == ("kept", 1)
    assert (fields["model"].fate, fields["model"].lines) == ("absent", 0)


def test_an_event_without_routes_has_none() -> None:
    versions = load_schemas()["error_log"]
    raw = decode_messages([], versions, None)
    clean = anonymize_batch(raw, versions, RULES)
    assert account_of(raw, clean, versions[-1], RULES, 7, {}).unmatched is None
