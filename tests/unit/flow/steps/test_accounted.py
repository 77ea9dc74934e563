"""Stages account for every message, whatever becomes of it."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import pyarrow as pa
import pytest

from pipeline.events.decode.decoder import Decoder
from pipeline.events.model import OFFSET, CleanBatch, RawBatch, Slice, Span
from pipeline.flow.steps.accounted import anonymize, decode, drop
from pipeline.io.package_data import load_catalogue
from pipeline.privacy.anonymize import Anonymizer
from pipeline.privacy.optout import OptOutGate, OptOutState
from pipeline.privacy.policy import Policy
from tests.unit.flow.world import (
    EVENT,
    NOW,
    FixedKeys,
    event,
    schemas,
    slice_of,
)

LINES = [event(number) for number in range(20)]
LINES[7] = b"nonsense"
TIME = schemas()[EVENT][-1].time_field
SPAN = Span("memory", "lines", 0, 100, 120)


@pytest.fixture
def source() -> Slice:
    return slice_of(LINES, SPAN)


@pytest.fixture
def decoder() -> Decoder:
    return Decoder(schemas()[EVENT])


@pytest.fixture
def raw(decoder: Decoder, source: Slice) -> RawBatch:
    return decode(decoder, source)


@pytest.fixture(scope="module")
def anonymizer() -> Anonymizer:
    catalogue = load_catalogue()
    return Anonymizer(schemas(), catalogue, FixedKeys(), lambda network: "ZZ", Policy())


def refused(batch: RawBatch | CleanBatch) -> dict[int, str]:
    return {row["offset"]: row["reason"] for row in batch.rejected.to_pylist()}


class BreaksOnFive(Decoder):
    """A decoder with a defect that one message shows."""

    def decode(self, source: Slice) -> RawBatch:
        if 105 in source.offsets:
            raise RuntimeError("acct_5")
        return super().decode(source)


def test_messages_that_decoding_breaks_on_are_rejected(source: Slice) -> None:
    batch = decode(BreaksOnFive(schemas()[EVENT]), source)
    assert refused(batch) == {105: "internal", 107: "not_json"}
    assert batch.read == 20
    assert batch.rows.num_rows == 18
    assert batch.rejected.filter(pa.compute.equal(batch.rejected["offset"], 105)).to_pylist() == [
        {"offset": 105, "size": len(LINES[5]), "stage": "decode", "reason": "internal"}
    ]


def test_rows_that_the_gate_breaks_on_are_rejected(raw: RawBatch) -> None:
    gate = OptOutGate(bytes(32))
    real = gate.drop

    class Gate:
        def drop(self, batch: RawBatch, *args: object, **kwargs: object) -> RawBatch:
            if 103 in batch.rows.column(OFFSET).to_pylist():
                raise RuntimeError("acct_3")
            return real(batch, *args, **kwargs)  # type: ignore[arg-type]

    batch = drop(Gate(), raw, OptOutState({}), NOW, TIME)  # type: ignore[arg-type]
    assert refused(batch) == {103: "internal", 107: "not_json"}
    assert batch.read == 20


def test_rows_that_anonymizing_breaks_on_are_rejected(
    anonymizer: Anonymizer, raw: RawBatch
) -> None:
    real = anonymizer.anonymize

    def break_on_three(batch: RawBatch, now: object) -> CleanBatch:
        if 103 in batch.rows.column(OFFSET).to_pylist():
            raise RuntimeError("acct_3")
        return real(batch, NOW)

    with patch.object(anonymizer, "anonymize", break_on_three):
        batch = anonymize(anonymizer, raw, NOW)
    assert refused(batch) == {103: "internal", 107: "not_json"}
    assert batch.rows.num_rows == 18


def test_an_empty_slice_passes_all_stages(decoder: Decoder, anonymizer: Anonymizer) -> None:
    empty = slice_of([], replace(SPAN, stop=150))
    batch = drop(OptOutGate(bytes(32)), decode(decoder, empty), OptOutState({}), NOW, TIME)
    clean = anonymize(anonymizer, batch, NOW)
    assert (clean.read, clean.rows.num_rows, clean.span.stop) == (0, 0, 150)
