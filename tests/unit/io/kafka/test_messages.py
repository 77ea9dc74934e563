"""Messages by their places: joined, cut and made a slice, they stay the messages that they were."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.events.model import Span
from pipeline.io.kafka.messages import join, of_values

PARTS = st.lists(st.lists(st.binary(max_size=9), max_size=4), max_size=4)


@given(PARTS)
def test_runs_that_are_joined_hold_the_messages_of_each(parts: list[list[bytes]]) -> None:
    made = [
        of_values(values, range(10 * at, 10 * at + len(values))) for at, values in enumerate(parts)
    ]
    assert list(join(made)) == [message for part in made for message in part]


@given(st.lists(st.tuples(st.integers(1, 3), st.binary(max_size=9))), st.integers(0, 20))
def test_messages_below_the_floor_are_left_out(steps: list[tuple[int, bytes]], floor: int) -> None:
    offsets = [sum(step for step, _ in steps[: at + 1]) for at in range(len(steps))]
    found = of_values([value for _, value in steps], offsets)
    kept = [pair for pair in found if pair[0] >= floor]
    assert list(found.since(floor)) == kept


def test_a_slice_has_the_bytes_and_offsets_of_its_messages() -> None:
    span = Span("kafka", "topic", 0, 5, 9)
    cut = of_values([b"a", b"", b"bc"], [5, 6, 8]).slice(span, "api_request")
    assert [cut.data[a:b] for a, b in zip(cut.starts, cut.ends, strict=True)] == [b"a", b"", b"bc"]
    assert (cut.span, cut.offsets.tolist()) == (span, [5, 6, 8])
    assert "zwq" not in repr(of_values([b"zwq"], [1]))  # no digits of an address
