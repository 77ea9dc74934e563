"""The door: what is refused, what comes out, and what does not stay in memory."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from pipeline.errors import KeyUnavailable
from pipeline.events.model import CleanBatch, Drop, RawBatch, Reason
from pipeline.privacy.anonymize import Anonymizer
from pipeline.privacy.identity.epochs import Epoch, EpochKind
from pipeline.privacy.identity.tokens import token
from pipeline.privacy.policy import Policy
from tests.privacy_rows import (
    CATALOGUE,
    KEY,
    NOW,
    SCHEMAS,
    SPAN,
    MemoryKeys,
    anonymize,
    anonymizer,
    buffers_of,
    nowhere,
    raw_batch,
)

STORED = {
    "api_request": (
        "event_date event_hour event_token subject session account_age country ip_prefix ip_class "
        "client_family client_major os_family device_class model region plan schema_version "
        "method route status latency_ms queue_ms bytes_in bytes_out error_code error_fingerprint "
        "sdk sdk_version referrer_class"
    ),
    "session": (
        "event_date event_hour event_token subject session account_age country ip_prefix ip_class "
        "client_family client_major os_family device_class model region plan schema_version "
        "duration_s connection_type protocol rtt_ms packet_loss bitrate_kbps fps video_height "
        "time_to_first_frame_ms freeze_ms end_reason features"
    ),
    "feature_use": (
        "event_date event_hour event_token subject session account_age country ip_prefix ip_class "
        "client_family client_major os_family device_class model plan schema_version "
        "feature action"
    ),
    "error_log": (
        "event_date event_hour event_token subject session model region schema_version "
        "component severity error_code error_fingerprint"
    ),
}
"""What is stored of each event. Changing this is a privacy review."""


def refusals(clean: CleanBatch) -> list[tuple[int, str, str]]:
    """Offset, stage and reason of each rejection."""
    rows = clean.rejected
    names = ("offset", "stage", "reason")
    return list(zip(*(rows.column(name).to_pylist() for name in names), strict=True))


@pytest.mark.parametrize("event", list(STORED))
def test_exactly_the_declared_columns_come_out(event: str) -> None:
    clean = anonymize(event, [{}, {}])
    assert sorted(clean.rows.schema.names) == sorted(STORED[event].split())
    assert clean.rows.schema.equals(SCHEMAS[event][-1].clean, check_metadata=True)
    assert clean.rows.validate(full=True) is None


def test_identifiers_become_the_tokens_of_their_domain_under_the_key_of_the_epoch() -> None:
    row = {"event_id": "e-1", "account_id": "é-1", "session_id": "s-1"}
    [found] = anonymize("api_request", [row]).rows.to_pylist()
    key = KEY + b"4weeks-0037"
    assert found["event_token"] == token(key, "evt", "e-1")
    assert found["subject"] == token(key, "subj", "é-1")
    assert found["session"] == token(key, "sess", "s-1")


def test_an_empty_identifier_is_a_missing_one() -> None:
    rows = [{"account_id": "", "session_id": None}, {"account_id": None, "session_id": "s"}]
    clean = anonymize("api_request", rows).rows
    assert clean.column("subject").to_pylist() == [None, None]
    assert [value is None for value in clean.column("session").to_pylist()] == [True, False]


def test_one_batch_can_reach_over_epochs_and_each_row_has_the_key_of_its_own() -> None:
    days = [date(2026, 11, 22), date(2026, 11, 23), date(2026, 11, 24), date(2026, 11, 22)]
    rows = [
        {
            "account_id": "a",
            "occurred_at": datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
            "error_message": "it failed",
        }
        for day in days
    ]
    keys = MemoryKeys()
    policy = Policy(epoch_kind=EpochKind.DAY)
    clean = anonymizer(policy, keys).anonymize(raw_batch("api_request", rows), NOW)
    names = [f"day-{(day - date(2024, 1, 1)).days:04d}" for day in days]
    assert clean.rows.column("subject").to_pylist() == [
        token(KEY + name.encode(), "subj", "a") for name in names
    ]
    assert len(set(clean.rows.column("error_fingerprint").to_pylist())) == 3
    assert sorted(set(keys.asked)) == sorted(set(names))


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        (NOW, None),
        (NOW - timedelta(days=7), None),
        (NOW - timedelta(days=7, microseconds=1), Reason.TOO_OLD),
        (datetime(1, 1, 1, tzinfo=UTC), Reason.TOO_OLD),
        (datetime(1970, 1, 1, tzinfo=UTC), Reason.TOO_OLD),
        (NOW + timedelta(minutes=5), None),
        (NOW + timedelta(minutes=5, microseconds=1), Reason.IN_FUTURE),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), Reason.IN_FUTURE),
        (None, Reason.INVALID_TIME),
    ],
)
def test_times_out_of_bounds_are_rejected(moment: datetime | None, reason: Reason | None) -> None:
    keys = MemoryKeys()
    batch = raw_batch("api_request", [{"occurred_at": moment}])
    clean = anonymizer(keys=keys).anonymize(batch, NOW)
    assert refusals(clean) == ([(0, "anonymize", reason.value)] if reason else [])
    assert bool(keys.asked) is (reason is None), "no key is made for an event that is not taken"


@pytest.mark.parametrize(
    ("moment", "taken"),
    [
        (datetime(2026, 8, 28, 0, 0, tzinfo=UTC), True),
        (datetime(2026, 8, 27, 23, 59, 59, tzinfo=UTC), False),
    ],
)
def test_a_backfill_does_not_reach_into_a_partition_that_is_due_to_go(
    moment: datetime, taken: bool
) -> None:
    # 2026-08-27 + 89 days is the day of NOW: that partition may be expired at any moment.
    policy = Policy(max_age_days=89)
    clean = anonymize("api_request", [{"occurred_at": moment}], policy)
    assert clean.rows.num_rows == taken
    assert [reason for _, _, reason in refusals(clean)] == ([] if taken else ["too_old"])


def test_there_are_no_events_before_the_first_epoch() -> None:
    policy = Policy(max_age_days=89)
    batch = raw_batch("api_request", [{"occurred_at": datetime(2023, 12, 31, tzinfo=UTC)}])
    clean = anonymizer(policy).anonymize(batch, datetime(2024, 1, 2, tzinfo=UTC))
    assert [reason for _, _, reason in refusals(clean)] == ["too_old"]


def test_events_of_a_destroyed_epoch_are_too_old() -> None:
    policy = Policy(max_age_days=30)
    rows = [
        {"occurred_at": datetime(2026, 11, 22, tzinfo=UTC), "account_id": "lost"},
        {"occurred_at": NOW, "account_id": "kept"},
    ]
    keys = MemoryKeys(destroyed=["4weeks-0037"])
    assert Epoch.parse("4weeks-0037").first_day == date(2026, 11, 2)
    clean = anonymizer(policy, keys).anonymize(raw_batch("api_request", rows), NOW)
    assert [reason for _, _, reason in refusals(clean)] == ["too_old", "too_old"]
    keys.destroyed = {"4weeks-0036"}
    clean = anonymizer(policy, keys).anonymize(raw_batch("api_request", rows), NOW)
    assert clean.rows.num_rows == 2


def test_a_key_that_is_destroyed_while_running_is_not_used_again() -> None:
    keys = MemoryKeys()
    stage, batch = anonymizer(keys=keys), raw_batch("api_request", [{"account_id": "a"}])
    assert stage.anonymize(batch, NOW).rows.num_rows == 1
    keys.destroyed = {"4weeks-0037"}
    assert refusals(stage.anonymize(batch, NOW)) == [(0, "anonymize", "too_old")]


def test_what_was_remembered_under_one_key_is_not_used_under_another() -> None:
    keys = MemoryKeys()
    stage, batch = anonymizer(keys=keys), raw_batch("api_request", [{"account_id": "a"}])
    before = stage.anonymize(batch, NOW).rows.column("subject").to_pylist()
    keys.salt = b"restored from a backup"
    after = stage.anonymize(batch, NOW).rows.column("subject").to_pylist()
    assert before == [token(KEY + b"4weeks-0037", "subj", "a")]
    assert after == [token(KEY + keys.salt + b"4weeks-0037", "subj", "a")]


class Broken:
    """A keystore with something else than a good key."""

    def __init__(self, key: bytes | None) -> None:
        self.key = key

    def epoch_key(self, epoch: Epoch) -> bytes | None:
        """A bad key, or none at all."""
        if self.key is None:
            raise KeyUnavailable("the key is listed but missing")
        return self.key


@pytest.mark.parametrize("key", [None, b"", b"short", bytes(31)])
def test_without_a_good_key_nothing_comes_out(key: bytes | None) -> None:
    stage = Anonymizer(SCHEMAS, CATALOGUE, Broken(key), nowhere, Policy())
    with pytest.raises(KeyUnavailable):
        stage.anonymize(raw_batch("api_request", [{}]), NOW)


@pytest.mark.parametrize("field", ["event_id", "account_id", "session_id"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("x" * 256, None),
        ("é" * 128, None),
        ("x" * 257, "identifier_too_long"),
        ("é" * 128 + "x", "identifier_too_long"),
        ("x" * 1_000_000, "identifier_too_long"),
        ("\x00", "invalid_type"),
    ],
)
def test_identifiers_that_cannot_become_tokens_are_rejected(
    field: str, value: str, reason: str | None
) -> None:
    clean = anonymize("api_request", [{field: value}])
    assert [found for _, _, found in refusals(clean)] == ([reason] if reason else [])


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_identifier_is_rejected_where_it_is_required(value: str | None) -> None:
    assert refusals(anonymize("api_request", [{"event_id": value}]))[0][2] == "missing_field"
    assert refusals(anonymize("session", [{"session_id": value}]))[0][2] == "missing_field"
    assert refusals(anonymize("api_request", [{"session_id": value}])) == []


def test_a_row_is_rejected_once_and_its_neighbours_are_not() -> None:
    rows: list[dict[str, Any]] = [
        {"account_id": "a"},
        {"account_id": "x" * 300, "session_id": "x" * 300, "occurred_at": NOW - timedelta(days=9)},
        {"account_id": "x" * 300, "session_id": "\x00"},
        {"account_id": "b"},
    ]
    clean = anonymize("api_request", rows)
    assert refusals(clean) == [
        (100, "anonymize", "too_old"),
        (200, "anonymize", "identifier_too_long"),
    ]
    assert clean.rejected.column("size").to_pylist() == [99, 99]
    key = KEY + b"4weeks-0037"
    assert clean.rows.column("subject").to_pylist() == [token(key, "subj", name) for name in "ab"]


def test_what_earlier_stages_counted_goes_on() -> None:
    before = anonymize("api_request", [{"event_id": ""}]).rejected
    raw = raw_batch("api_request", [{"latency_ms": -1.0}, {"event_id": ""}])
    batch = RawBatch(
        SPAN,
        "api_request",
        6,
        raw.rows,
        before,
        {Drop.SIGNAL: 3},
        {("latency_ms", "negative"): 2, ("fps", "invalid_type"): 1},
    )
    clean = anonymizer().anonymize(batch, NOW)
    assert clean.read == 6
    assert clean.rejected.num_rows == 2
    assert clean.dropped == {Drop.SIGNAL: 3}
    assert clean.nulled == {("latency_ms", "negative"): 3, ("fps", "invalid_type"): 1}


SECRETS = {
    "event_id": "canary-event",
    "account_id": "canary-account",
    "session_id": "canary-session",
    "client_ip": "9.8.7.6",
    "forwarded_for": "9.8.7.5, 10.0.0.1",
    "method": "CANARY-METHOD",
    "path": "/canary/path?canary=query",
    "error_code": "canary-code",
    "error_message": "canary-message failed",
    "model": "canary-model",
    "region": "canary-region",
    "sdk_name": "canary-sdk",
    "sdk_version": "9.8.canary-version",
    "user_agent": "canary-agent/9.8",
    "referrer": "https://canary.example/",
    "plan": "canary-plan",
    "gpc": "canary-gpc",
    "dnt": "canary-dnt",
}


@pytest.mark.parametrize("refused", [False, True])
def test_no_raw_text_is_anywhere_in_the_output(refused: bool) -> None:
    age = timedelta(days=30) if refused else timedelta(0)
    secret: dict[str, Any] = {**SECRETS, "occurred_at": NOW - age}
    rows = [{}, secret, {"account_id": "other"}] * 20
    policy = Policy(trusted_proxies=("10.0.0.0/8",))
    clean = anonymize("api_request", rows, policy)
    held = (buffers_of(clean.rows) + buffers_of(clean.rejected)).lower()
    assert b"canary" not in held
    assert b"9.8.7" not in held
    assert clean.rejected.num_rows == (20 if refused else 0)


def test_the_output_shares_no_memory_with_the_input() -> None:
    batch = raw_batch("api_request", [{**SECRETS, "status": 200, "latency_ms": 3.0}] * 10)
    clean = anonymizer().anonymize(batch, NOW)

    def addresses(rows: pa.RecordBatch) -> set[int]:
        return {buffer.address for column in rows.columns for buffer in column.buffers() if buffer}

    assert not addresses(batch.rows) & addresses(clean.rows)


def test_columns_are_whole_arrays_and_only_closed_lists_have_dictionaries() -> None:
    rows = [{"account_id": "a", "method": "PUT"}, {"event_id": "", "method": "GET"}, {}]
    found = anonymize("api_request", rows).rows
    for column in SCHEMAS["api_request"][-1].columns:
        array = found.column(column.name)
        assert array.offset == 0
        assert pa.types.is_dictionary(array.type) is column.is_closed
        if column.is_closed:
            texts = array.dictionary.to_pylist()
            # No text of a row that was refused, and no trace of the order of rows.
            assert texts == sorted(set(array.drop_null().to_pylist()))
    assert found.column("method").to_pylist() == ["PUT", None]


def awkward(rows: pa.RecordBatch, shape: str) -> pa.RecordBatch:
    """The same rows in a form that code forgets."""
    padded = pa.concat_batches([rows, rows, rows])
    if shape == "sliced":
        return padded.slice(rows.num_rows, rows.num_rows)
    columns, names = list(rows.columns), list(rows.schema.names)
    if shape == "dictionary":
        columns = [
            column.dictionary_encode() if pa.types.is_string(column.type) else column
            for column in padded.columns
        ]
        return pa.RecordBatch.from_arrays(columns, names).slice(rows.num_rows, rows.num_rows)
    if shape == "large":
        columns = [
            column.cast(pa.large_string()) if pa.types.is_string(column.type) else column
            for column in columns
        ]
    if shape == "unknown":
        columns.append(pa.array(["canary"] * rows.num_rows))
        names.append("email")
    if shape == "shuffled":
        columns, names = columns[::-1], names[::-1]
    return pa.RecordBatch.from_arrays(columns, names)


@pytest.mark.parametrize("shape", ["plain", "sliced", "dictionary", "large", "unknown", "shuffled"])
@pytest.mark.parametrize("event", list(STORED))
def test_the_form_of_a_batch_does_not_matter(event: str, shape: str) -> None:
    names = {field.name for field in SCHEMAS[event][-1].fields}
    full = {key: value for key, value in SECRETS.items() if key in names and "id" not in key}
    rows = [{**full, "account_id": f"account-{number % 3}"} for number in range(7)]
    rows[2] = {}
    rows[3] = {"event_id": "x" * 300}
    batch = raw_batch(event, rows)
    expected = anonymizer().anonymize(batch, NOW)
    changed = RawBatch(SPAN, event, 7, awkward(batch.rows, shape))
    found = anonymizer().anonymize(changed, NOW)
    assert found.rows.equals(expected.rows, check_metadata=True)
    assert found.rejected.equals(expected.rejected)
    assert b"canary" not in buffers_of(found.rows).lower()


@pytest.mark.parametrize("event", list(STORED))
def test_no_rows_are_a_batch_too(event: str) -> None:
    clean = anonymize(event, [])
    assert clean.rows.num_rows == clean.read == 0
    assert clean.rows.schema.equals(SCHEMAS[event][-1].clean)


def test_rows_of_nulls_are_rejected_and_rows_without_optional_columns_are_not() -> None:
    batch = raw_batch("api_request", [{}, {}])
    nulls = pa.RecordBatch.from_arrays(
        [
            column if name.startswith("_") else pa.nulls(2, column.type)
            for name, column in zip(batch.rows.schema.names, batch.rows.columns, strict=True)
        ],
        names=batch.rows.schema.names,
    )
    clean = anonymizer().anonymize(RawBatch(SPAN, "api_request", 2, nulls), NOW)
    assert [reason for _, _, reason in refusals(clean)] == ["invalid_time"] * 2
    few = batch.rows.select(["version", "event_id", "occurred_at", "_offset", "_size"])
    clean = anonymizer().anonymize(RawBatch(SPAN, "api_request", 2, few), NOW)
    assert clean.rows.column("ip_class").to_pylist() == ["missing"] * 2


def test_two_workers_make_the_same_bytes() -> None:
    rows = [{**SECRETS, "account_id": f"a{number % 5}"} for number in range(50)]
    first = anonymizer().anonymize(raw_batch("api_request", rows), NOW)
    other = anonymizer()
    other.anonymize(raw_batch("api_request", rows[7:]), NOW)
    assert first.rows.equals(other.anonymize(raw_batch("api_request", rows), NOW).rows)
