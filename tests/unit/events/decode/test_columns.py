"""What a decoder gives: columns for the rows, and an account of the rest that shows nothing."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.events.decode.columns import Columns, without
from pipeline.events.model import Reason


@pytest.mark.parametrize(
    ("refused", "kept"),
    [([], [10, 20, 30]), ([1], [10, 30]), ([0, 2], [20]), ([0, 1, 2], [])],
)
def test_entries_of_refused_messages_are_left_out(refused: list[int], kept: list[int]) -> None:
    assert without(np.array([10, 20, 30]), np.array(refused, np.int64)).tolist() == kept


def test_decoded_messages_do_not_show_themselves() -> None:
    arrays = [pa.array(["alice@example.com"])]
    columns = Columns(1, arrays, np.array([1]), [Reason.NOT_JSON], {})
    assert "alice" not in f"{columns!r} {columns}"
