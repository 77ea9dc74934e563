"""Laws of the privacy stage, on rows that nobody wrote by hand."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events.model import RawBatch
from pipeline.events.schema import EventSchema, Field, FieldType
from pipeline.privacy.columns import decoded
from pipeline.privacy.identity.tokens import token
from pipeline.privacy.optout import OptOutGate, OptOutState, Standing
from pipeline.privacy.policy import Policy
from tests.privacy_rows import (
    CATALOGUE,
    KEY,
    NOW,
    SCHEMAS,
    SPAN,
    TIMES,
    anonymize,
    buffers_of,
    raw_batch,
    shared,
)

EVENTS = sorted(SCHEMAS)
POLICY = Policy(trusted_proxies=("10.0.0.0/8",), max_age_days=30)
MARK = "CaNaRy"
SHAPES = {
    "token": re.compile(r"[0-9a-f]{32}"),
    "fingerprint": re.compile(r"[0-9a-f]{16}"),
    "country": re.compile(r"[A-Z]{2}"),
    "minor_version": re.compile(r"[0-9]{1,3}\.[0-9]{1,3}"),
    "cidr": re.compile(r"[0-9a-f.:]+/[0-9]+"),
}
BITS = {4: 16, 6: 32}

TEXTS = st.one_of(
    st.none(),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    st.sampled_from(
        ["", "\0", MARK, f"https://{MARK}.example/{MARK}", f"/v1/models/{MARK}?{MARK}"]
    ),
    st.sampled_from(
        ["8.8.8.8", "10.0.0.1", "2600:1f18:7::1", "::ffff:9.9.9.9", "GET", "/v1/models"]
    ),
    st.sampled_from(["2.3.1", "v2v-large", "curl/8.1", "1", "pro", f"{MARK}/9.9 Bot", "x" * 300]),
)
MOMENTS = st.one_of(
    st.datetimes(datetime(2026, 10, 1), datetime(2026, 12, 1), timezones=st.just(UTC)),
    st.integers(-400, 400).map(lambda minutes: NOW + timedelta(minutes=minutes)),
)
VALUES: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.STRING: TEXTS,
    FieldType.IDENTIFIER: TEXTS,
    FieldType.SIGNAL: st.sampled_from([None, "1", "0", MARK]),
    FieldType.INT64: st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 1000),
    FieldType.FLOAT64: st.none() | st.floats() | st.floats(0, 1e5),
    FieldType.TIMESTAMP: st.none() | MOMENTS,
    FieldType.DATE: st.none() | st.dates(date(2026, 1, 1), date(2027, 1, 1)),
    FieldType.LIST: st.none() | st.lists(TEXTS, max_size=4),
}


def value_of(schema: EventSchema, field: Field) -> st.SearchStrategy[Any]:
    """Values of a field; its time is there, and mostly of these days."""
    if field.name == "version":
        return st.just(1)
    if field.name == schema.time_field:
        return MOMENTS
    return VALUES[field.type]


@st.composite
def batches(draw: st.DrawFn) -> RawBatch:
    """Raw batches of any event."""
    event = draw(st.sampled_from(EVENTS))
    schema = SCHEMAS[event][-1]
    row = st.fixed_dictionaries({field.name: value_of(schema, field) for field in schema.fields})
    return raw_batch(event, draw(st.lists(row, max_size=8)))


@given(batches())
def test_every_row_is_accounted_for(batch: RawBatch) -> None:
    clean = shared(POLICY).anonymize(batch, NOW)
    assert clean.read == batch.read == clean.rows.num_rows + clean.rejected.num_rows
    offsets = batch.rows.column("_offset").to_pylist()
    refused = clean.rejected.column("offset").to_pylist()
    assert refused == [offset for offset in offsets if offset in set(refused)]


@given(batches())
def test_the_same_rows_make_the_same_bytes(batch: RawBatch) -> None:
    first, again = (shared(POLICY).anonymize(batch, NOW) for _ in range(2))
    assert first.rows.equals(again.rows)
    assert first.rejected.equals(again.rejected)
    assert first.nulled == again.nulled


@given(batches(), st.integers(0, 8))
def test_a_row_is_treated_alone_as_it_is_among_others(batch: RawBatch, cut: int) -> None:
    cut = min(cut, batch.rows.num_rows)
    parts = [
        RawBatch(SPAN, batch.event, rows.num_rows, rows)
        for rows in (batch.rows.slice(0, cut), batch.rows.slice(cut))
    ]
    whole = shared(POLICY).anonymize(batch, NOW)
    halves = [shared(POLICY).anonymize(part, NOW) for part in parts]
    # Texts of closed lists are numbers of a dictionary, whose order may be another in each part.
    assert whole.rows.to_pylist() == [row for half in halves for row in half.rows.to_pylist()]
    assert whole.rejected.equals(pa.concat_batches([half.rejected for half in halves]))


@given(batches())
def test_every_stored_text_is_from_a_closed_list_or_of_its_shape(batch: RawBatch) -> None:
    clean = shared(POLICY).anonymize(batch, NOW)
    for column in SCHEMAS[batch.event][-1].columns:
        if column.values is None:
            continue
        values = decoded(clean.rows.column(column.name))
        if pa.types.is_list(values.type):
            values = values.flatten()
        for value in values.drop_null().to_pylist():
            if column.values in SHAPES:
                assert SHAPES[column.values].fullmatch(value)
            else:
                assert value in CATALOGUE.storable(column.values)


@given(batches())
def test_no_mark_is_in_any_buffer_of_the_output(batch: RawBatch) -> None:
    clean = shared(POLICY).anonymize(batch, NOW)
    assert MARK.lower().encode() not in buffers_of(clean.rows).lower()
    assert MARK.lower().encode() not in buffers_of(clean.rejected).lower()


@given(batches())
def test_columns_have_their_declared_types_and_nulls(batch: RawBatch) -> None:
    clean = shared(POLICY).anonymize(batch, NOW)
    clean.rows.validate(full=True)
    for field, column in zip(clean.rows.schema, clean.rows.columns, strict=True):
        assert field.nullable or column.null_count == 0, field.name


@given(st.lists(st.ip_addresses().map(str) | TEXTS, max_size=20))
def test_a_prefix_holds_the_address_and_no_more_bits_than_the_policy_keeps(
    texts: list[str | None],
) -> None:
    clean = anonymize("api_request", [{"client_ip": text} for text in texts])
    for text, prefix in zip(texts, clean.rows.column("ip_prefix").to_pylist(), strict=True):
        if prefix is None or text is None:
            continue
        network = ipaddress.ip_network(prefix)  # refuses bits beyond the prefix
        assert network.prefixlen == BITS[network.version]
        address = ipaddress.ip_address(text)
        if isinstance(address, ipaddress.IPv6Address):
            carried = address.ipv4_mapped or address.sixtofour
            address = carried or address
        assert address in network or network.version == 4


def hours_us(hours: int) -> int:
    """Microseconds since 1970 of a time so many hours from now."""
    return int((NOW + timedelta(hours=hours)).timestamp()) * 10**6


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-50, 50)), max_size=20),
    st.dictionaries(
        st.sampled_from("abcd"),
        st.lists(st.tuples(st.integers(-50, 50), st.none() | st.integers(0, 30)), max_size=3),
    ),
)
def test_the_opt_out_gate_agrees_with_its_rule_row_by_row(
    events: list[tuple[str, int]], wishes: dict[str, list[tuple[int, int | None]]]
) -> None:
    intervals = {
        name: [(start, None if length is None else start + length) for start, length in spans]
        for name, spans in wishes.items()
    }
    state = OptOutState(
        {
            token(KEY, "optout", name): Standing(
                tuple((hours_us(a), None if b is None else hours_us(b)) for a, b in spans)
            )
            for name, spans in intervals.items()
        }
    )
    rows = [
        {"account_id": name, "occurred_at": NOW + timedelta(hours=hour)} for name, hour in events
    ]
    batch = raw_batch("api_request", rows)
    result = OptOutGate(KEY).drop(batch, state, hours_us(0), time_field="occurred_at")

    def dropped(name: str, hour: int) -> bool:
        spans = intervals.get(name, [])
        return any(b is None or a <= 0 < b or a <= hour < b for a, b in spans)

    expected = [f"event-{i}" for i, (name, hour) in enumerate(events) if not dropped(name, hour)]
    assert result.rows.column("event_id").to_pylist() == expected


@pytest.mark.parametrize("event", EVENTS)
def test_the_order_of_rows_is_kept(event: str) -> None:
    rows = [{"event_id": f"e{number}"} for number in range(100)]
    rows[50]["event_id"] = "x" * 300
    clean = anonymize(event, rows)
    key = KEY + b"4weeks-0037"
    expected = [token(key, "evt", f"e{number}") for number in range(100) if number != 50]
    assert clean.rows.column("event_token").to_pylist() == expected


def test_every_event_is_tested() -> None:
    assert set(TIMES) <= set(EVENTS)
    assert EVENTS == ["api_request", "error_log", "feature_use", "session"]
