"""Both decoders against the specification, on messages that nobody wrote by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events.decode.decoder import Decoder
from tests.property.decoding import (
    SCHEMAS,
    VALID,
    assert_same,
    read_cases,
    slice_of,
    two_versions,
)

CASES = read_cases()
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**66), 2**66),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0, 1, -0.0, 5.0, 1e19, 2**63 - 1, "", "1", "0, 1", "2026-05-01T00:00:00Z"]),
    st.text(max_size=8),
    st.text(st.characters(categories=["Cs", "Cc", "Ll", "Nd"]), max_size=4),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
ONE = st.just(1)
STRANGE_NAMES = st.sampled_from(["trace_id", "x", "", "é", "a/b", "_offset", "Event"]) | st.text(
    max_size=6
)


def names_of(event: str) -> list[str]:
    return [field.name for field in two_versions(event)[-1].fields]


@st.composite
def members(
    draw: st.DrawFn, event: str, versions: st.SearchStrategy[Any] = ONE
) -> list[tuple[str, Any]]:
    """The members of a message that is mostly valid."""
    version = draw(versions)
    pairs = list({**VALID[event], "version": version}.items())
    if version == 2:
        pairs.append(("weight", draw(st.sampled_from(["1", "x", "", 1]))))
    names = st.sampled_from(names_of(event))
    for name, value in draw(st.lists(st.tuples(names | STRANGE_NAMES, VALUES), max_size=3)):
        pairs = [pair for pair in pairs if pair[0] != name or draw(st.integers(0, 9)) == 0]
        pairs.append((name, value))
    return draw(st.permutations(pairs)) if draw(st.booleans()) else pairs


@st.composite
def messages(draw: st.DrawFn, event: str, versions: st.SearchStrategy[Any] = ONE) -> bytes:
    """One message: as producers write it, or with a few bytes changed, or a case of the files."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(CASES)).message
    ascii_only = draw(st.booleans())
    comma, colon = draw(st.sampled_from([(", ", ": "), (",", ":"), (" ,", " :\t"), (",\r", ":")]))
    body = comma.join(
        json.dumps(name, ensure_ascii=ascii_only)
        + colon
        + json.dumps(value, ensure_ascii=ascii_only, separators=(comma, colon))
        for name, value in draw(members(event, versions))
    )
    message = f"{{{body}}}".encode("utf-8", "surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        message = draw(mutations(message))
    return message + draw(st.sampled_from([b"", b"", b"", b"\r", b" "]))


@st.composite
def mutations(draw: st.DrawFn, message: bytes) -> bytes:
    """The message with one small piece changed, removed, doubled or put elsewhere."""
    start = draw(st.integers(0, max(len(message) - 1, 0)))
    stop = min(start + draw(st.integers(0, 6)), len(message))
    piece = draw(
        st.one_of(
            st.just(b""),
            st.binary(min_size=1, max_size=3).filter(lambda found: b"\n" not in found),
            st.sampled_from([b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\\u", b"null"]),
            st.sampled_from([b"NaN", b"}null{", b"}{", b"-", b".0", b"e5", b"\x00", b"\xff"]),
            st.just(message[start:stop] * 2),
        )
    )
    return message[:start] + piece + message[stop:]


def slices(
    event: str, most: int, versions: st.SearchStrategy[Any] = ONE
) -> st.SearchStrategy[list[bytes]]:
    """Messages with runs of equal ones, as real slices have."""
    runs = st.tuples(messages(event, versions), st.integers(1, 3))
    return st.lists(runs, max_size=most).map(
        lambda found: [message for message, count in found for _ in range(count)]
    )


@pytest.mark.parametrize("event", sorted(VALID))
@given(data=st.data())
def test_any_slice_means_what_its_messages_mean(event: str, data: st.DataObject) -> None:
    contents = data.draw(slices(event, 12))
    assert_same(slice_of(event, contents, gap=data.draw(st.sampled_from([b"", b"x", b"null\n"]))))


@pytest.mark.parametrize("event", sorted(VALID))
@given(data=st.data())
def test_messages_that_resemble_the_one_before_mean_what_they_mean(
    event: str, data: st.DataObject
) -> None:
    """Runs of one message with small changes: the nearest misses of names that are foreseen."""
    pattern = data.draw(messages(event))
    near = st.one_of(st.just(pattern), mutations(pattern), mutations(pattern), messages(event))
    decoder = Decoder(SCHEMAS[event])
    for contents in data.draw(st.lists(st.lists(near, max_size=8), max_size=3)):
        assert_same(slice_of(event, contents), decoder=decoder)


@pytest.mark.parametrize("event", sorted(VALID))
@given(data=st.data())
def test_two_versions_at_once_mean_what_each_says(event: str, data: st.DataObject) -> None:
    schemas = two_versions(event)
    contents = data.draw(slices(event, 6, st.sampled_from([1, 1, 2, 2, 3, 1.0, "2"])))
    assert_same(slice_of(event, contents), schemas=schemas)


@pytest.mark.parametrize("event", sorted(VALID))
@given(data=st.data())
def test_what_a_decoder_has_seen_does_not_show(event: str, data: st.DataObject) -> None:
    decoder = Decoder(SCHEMAS[event])
    for contents in data.draw(st.lists(slices(event, 6), max_size=4)):
        assert_same(slice_of(event, contents), decoder=decoder)


@pytest.mark.parametrize("event", sorted(VALID))
@given(data=st.data())
def test_messages_may_lie_anywhere_in_their_slice(event: str, data: st.DataObject) -> None:
    """Kafka's values lie between other bytes, and nothing ends them."""
    contents = data.draw(slices(event, 6))
    gap = data.draw(st.binary(max_size=3))
    found = slice_of(event, contents)
    starts = found.starts + np.arange(len(contents)) * (len(gap) - 1) + len(gap)
    joined = gap + gap.join(contents)
    ends = starts + (found.ends - found.starts)
    assert_same(replace(found, data=joined, starts=starts, ends=ends))
