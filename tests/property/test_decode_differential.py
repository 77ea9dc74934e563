"""The columnar path against the strict decoder, on messages that nobody wrote by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events import decode, familiar
from pipeline.events.decode import Decoder
from pipeline.events.fast import parse_lines
from pipeline.events.finish import Parsed
from pipeline.events.learned import LearnedNames
from pipeline.events.lines import lines_of, screen
from pipeline.events.strict import StrictDecoder
from tests.property.decoding import SCHEMAS, VALID, assert_same, read_cases, slice_of

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
STRANGE_NAMES = st.sampled_from(["trace_id", "x", "", "é", "a/b", "_offset", "Event"]) | st.text(
    max_size=6
)


def names_of(event: str) -> list[str]:
    return [field.name for field in SCHEMAS[event][-1].fields]


@st.composite
def members(draw: st.DrawFn, event: str) -> list[tuple[str, Any]]:
    """The members of a message that is mostly valid."""
    pairs = list(VALID[event].items())
    names = st.sampled_from(names_of(event))
    for name, value in draw(st.lists(st.tuples(names | STRANGE_NAMES, VALUES), max_size=3)):
        pairs = [pair for pair in pairs if pair[0] != name or draw(st.integers(0, 9)) == 0]
        pairs.append((name, value))
    return draw(st.permutations(pairs)) if draw(st.booleans()) else pairs


@st.composite
def messages(draw: st.DrawFn, event: str) -> bytes:
    """One message: as producers write it, or with a few bytes changed, or a case of the files."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(CASES)).message
    ascii_only = draw(st.booleans())
    comma, colon = draw(st.sampled_from([(", ", ": "), (",", ":"), (" ,", " :\t"), (",\r", ":")]))
    body = comma.join(
        json.dumps(name, ensure_ascii=ascii_only)
        + colon
        + json.dumps(value, ensure_ascii=ascii_only, separators=(comma, colon))
        for name, value in draw(members(event))
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


def slices(event: str, most: int) -> st.SearchStrategy[list[bytes]]:
    """Messages with runs of equal ones, as real slices have."""
    runs = st.tuples(messages(event), st.integers(1, 3))
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
def test_messages_that_resemble_a_familiar_one_mean_what_they_mean(
    event: str, data: st.DataObject
) -> None:
    """Runs of one message with small changes: the nearest misses that a layout can have."""
    pattern = data.draw(messages(event))
    near = st.one_of(st.just(pattern), mutations(pattern), mutations(pattern), messages(event))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(familiar, "MIN_MESSAGES", 1)
        decoder = Decoder(SCHEMAS[event])
        for contents in data.draw(st.lists(st.lists(near, max_size=8), max_size=3)):
            assert_same(slice_of(event, contents), decoder=decoder)


@pytest.mark.parametrize("event", sorted(VALID))
@given(data=st.data())
def test_what_a_decoder_learned_does_not_show(event: str, data: st.DataObject) -> None:
    decoder = Decoder(SCHEMAS[event])
    for contents in data.draw(st.lists(slices(event, 6), max_size=4)):
        assert_same(slice_of(event, contents), decoder=decoder)


@pytest.mark.parametrize("event", sorted(VALID))
@given(data=st.data())
def test_blocks_and_splits_of_any_size_give_the_same(event: str, data: st.DataObject) -> None:
    contents = data.draw(slices(event, 16))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "BLOCK_MESSAGES", data.draw(st.integers(1, 20)))
        patch.setattr(decode, "STRICT_RUN", data.draw(st.integers(1, 4)))
        patch.setattr(decode, "SPLIT", data.draw(st.integers(2, 4)))
        patch.setattr(familiar, "MIN_MESSAGES", data.draw(st.integers(1, 4)))
        patch.setattr(familiar, "MAX_LAYOUTS", data.draw(st.integers(1, 4)))
        assert_same(slice_of(event, contents))


@pytest.mark.parametrize("event", sorted(VALID))
@given(data=st.data())
def test_what_the_columnar_path_accepts_the_strict_decoder_accepts(
    event: str, data: st.DataObject
) -> None:
    message = data.draw(messages(event))
    source = slice_of(event, [message])
    strict = StrictDecoder(SCHEMAS[event])
    learned = LearnedNames(SCHEMAS[event][-1])
    record = strict.decode(message)
    if hasattr(record, "undeclared"):
        learned.learn(record.undeclared)
    if not screen(source, 0, 1).all():
        return
    parsed = parse_lines(SCHEMAS[event][-1], learned, lines_of(source, source.starts[:1] * 0))
    if isinstance(parsed, Parsed) and len(parsed.rows):
        assert hasattr(record, "values"), "the columnar path let a refused message through"
