"""Messages go through the real stages, under keys that nobody keeps."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from pipeline.io.package_data import load_catalogue, load_format, load_schemas
from pipeline.ops.trial import Rules, anonymize_batch, decode_messages
from pipeline.privacy.policy import Policy

SCHEMAS = load_schemas()
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RULES = Rules(load_catalogue(), lambda _: "ZZ", Policy(), NOW)
LINE = json.dumps(
    {"time_iso8601": "2026-11-24T11:30:00+00:00", "http_x_account_id": "jane", "http_sec_gpc": "0"}
).encode()


def test_a_format_is_read_from_its_beginning() -> None:
    versions = SCHEMAS["api_request"]
    raw = decode_messages([LINE, b"x"], versions, load_format("nginx_json", SCHEMAS))
    assert raw.rows.column("account_id").to_pylist() == ["jane"]
    iis = [b"#Fields: date time cs-username", b"2026-11-24 11:30:00 jane"]
    raw = decode_messages(iis, versions, load_format("iis", SCHEMAS))
    assert raw.rows.column("account_id").to_pylist() == ["jane"]
    assert decode_messages([], versions, None).read == 0


def test_tokens_are_others_each_time() -> None:
    versions = SCHEMAS["api_request"]
    raw = decode_messages([LINE], versions, load_format("nginx_json", SCHEMAS))
    first, second = (anonymize_batch(raw, versions, RULES).rows for _ in range(2))
    assert first.column("subject") != second.column("subject")
    assert "jane" not in str(first.to_pylist())
