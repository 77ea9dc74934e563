"""A number is stored as the representative of its bucket; a time as the seconds since the event."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events.treatments import FieldType, Sensitivity, Treatment
from pipeline.io.package_data import vocabulary
from pipeline.privacy.treatments.numeric import Bucket
from pipeline.privacy.treatments.registry import TREATMENTS
from tests.privacy_rows import CATALOGUE, anonymize


@pytest.mark.parametrize(
    ("seconds", "kept"),
    [(0, 0), (0.999999, 0), (1, 1), (59, 30), (3600, 3600), (10**9, 14400), (-1, None)],
)
def test_a_session_lasts_from_its_start_to_its_end(seconds: float, kept: int | None) -> None:
    start = datetime(2026, 11, 24, 11, 59, 59, 999_999, tzinfo=UTC)
    end = datetime.fromtimestamp(start.timestamp(), UTC)
    micros = round(seconds * 1e6)
    ended = pa.scalar(int(start.timestamp()) * 10**6 + 999_999 + micros, pa.timestamp("us", "UTC"))
    assert end == start
    clean = anonymize("session", [{"started_at": start, "ended_at": ended.as_py()}])
    assert clean.rows.column("duration_s").to_pylist() == [kept]
    assert clean.nulled == ({("ended_at", "negative"): 1} if kept is None else {})


def test_a_session_that_goes_on_has_no_duration() -> None:
    clean = anonymize("session", [{"ended_at": None}])
    assert clean.rows.column("duration_s").to_pylist() == [None]
    assert clean.nulled == {}


def declared(text: str) -> Treatment:
    return vocabulary(CATALOGUE).treatment(text, FieldType.INT64, Sensitivity.TECHNICAL)


@pytest.mark.parametrize(
    ("one", "other", "less"),
    [
        ("bucket[pow2,20]", "bucket[pow2,40]", True),
        ("bucket[pow2,40]", "bucket[pow2,20]", False),
        ("bucket[pow4,40]", "bucket[pow2,40]", True),
        ("bucket[pow2,40]", "bucket[pow4,40]", False),
        ("bucket[edges,0,60]", "bucket[edges,0,30,60]", True),
        ("bucket[edges,0,45]", "bucket[edges,0,30,60]", False),
        ("bucket[upto,0,60]", "bucket[edges,0,30,60]", False),
        ("bucket[log4,20]", "bucket[log4,40]", False),
    ],
)
def test_a_coarser_bucket_keeps_no_more(one: str, other: str, less: bool) -> None:
    assert declared(one).keeps_no_more_than(declared(other)) is less


BUCKETS = (
    "bucket[log4,20]",
    "bucket[pow2,20]",
    "bucket[pow4,20]",
    "bucket[edges,0,1,60]",
    "bucket[upto,0,1,60]",
)
"""One declaration of every kind of bucket."""


def test_every_kind_of_bucket_is_tested() -> None:
    kinds = {declared(text).form for text in BUCKETS}
    assert kinds == {kind.form for kind in TREATMENTS.values() if issubclass(kind, Bucket)}


@pytest.mark.parametrize("text", BUCKETS)
@given(st.lists(st.floats(0, 2.0**24), min_size=1, max_size=50))
def test_what_is_stored_is_among_what_the_audit_lets_stand(text: str, given: list[float]) -> None:
    bucket = declared(text)
    assert isinstance(bucket, Bucket)
    for values in (np.array(given), np.array(given, np.int64)):
        stored = bucket.reduce(values, None)
        assert set(stored.values.tolist()) <= set(bucket.storable())


def test_every_bucket_says_what_it_stores_of_a_value() -> None:
    for text in ("log4,20", "pow2,20", "pow4,20", "edges,0,1", "upto,0,1"):
        words = declared(f"bucket[{text}]").in_words()
        assert any(word in words for word in ("middle", "below", "edge"))


def test_a_value_without_a_bucket_is_null_and_counted() -> None:
    clean = anonymize("session", [{"rtt_ms": -1.0}, {"rtt_ms": float("nan")}, {"rtt_ms": None}])
    assert clean.rows.column("rtt_ms").to_pylist() == [None] * 3
    assert clean.nulled == {("rtt_ms", "negative"): 1, ("rtt_ms", "not_finite"): 1}
