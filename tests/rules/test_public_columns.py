"""What is stored for each event, literally. Changing this file is the privacy review."""

from __future__ import annotations

import pytest

from pipeline.io.package_data import load_schemas

COMMON = """
    event_date date32[day] not null
    event_hour int8 not null
    event_token string
    subject string
    session string
"""
AGE = "account_age string"
PLACE = """
    country string not null
    ip_prefix string
    ip_class string not null
"""
CLIENT = """
    client_family string
    client_major int16
    os_family string
    device_class string
"""
COLUMNS = {
    "api_request": f"""
        {COMMON} {AGE} {PLACE} {CLIENT}
        model string
        region string
        plan string
        schema_version int16 not null
        method string
        route string
        status int16
        latency_ms float
        queue_ms float
        bytes_in int64
        bytes_out int64
        error_code string
        error_fingerprint string
        sdk string
        sdk_version string
        referrer_class string
    """,
    "session": f"""
        {COMMON} {AGE} {PLACE} {CLIENT}
        model string
        region string
        plan string
        schema_version int16 not null
        duration_s int32
        connection_type string
        protocol string
        rtt_ms float
        packet_loss float
        bitrate_kbps float
        fps int16
        video_height int16
        time_to_first_frame_ms float
        freeze_ms float
        end_reason string
        features list<item: string>
    """,
    "feature_use": f"""
        {COMMON} {AGE} {PLACE} {CLIENT}
        model string
        plan string
        schema_version int16 not null
        feature string
        action string
    """,
    "error_log": f"""
        {COMMON}
        model string
        region string
        schema_version int16 not null
        component string
        severity string
        error_code string
        error_fingerprint string
    """,
}


def test_the_events_are_these_four() -> None:
    assert sorted(load_schemas(None)) == sorted(COLUMNS)


@pytest.mark.parametrize("event", sorted(COLUMNS))
def test_stored_columns_are_exactly_the_reviewed_ones(event: str) -> None:
    stored = load_schemas(None)[event][-1].stored
    found = [
        f"{field.name} {field.type}{'' if field.nullable else ' not null'}" for field in stored
    ]
    assert " ".join(found) == " ".join(COLUMNS[event].split())
