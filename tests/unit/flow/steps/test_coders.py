"""Shards travel; slices and batches refuse to."""

from __future__ import annotations

import pytest
from apache_beam.coders import registry

from pipeline.events.model import CleanBatch, RawBatch, Slice
from pipeline.flow.steps.coders import SealedCoder, ShardCoder, register_coders
from pipeline.io.source import Shard
from tests.unit.flow.world import event, slice_of

SLICE = slice_of([event(1), event(2)])


@pytest.mark.parametrize("name", ["logs", "a/b", "ü", ""])
def test_a_shard_comes_back(name: str) -> None:
    shard = Shard(name, 3, 8)
    coder = ShardCoder()
    assert coder.decode(coder.encode(shard)) == shard
    assert coder.is_deterministic()


def test_a_slice_is_never_encoded_and_the_refusal_shows_nothing_of_it() -> None:
    with pytest.raises(TypeError, match="a Slice does not leave") as caught:
        SealedCoder().encode(SLICE)
    assert "acct" not in str(caught.value)


def test_a_size_is_told_without_encoding() -> None:
    assert SealedCoder().estimate_size(SLICE) == len(SLICE.data)


@pytest.mark.parametrize("kind", [Slice, RawBatch, CleanBatch])
def test_beam_uses_the_sealed_coder(kind: type) -> None:
    register_coders()
    assert isinstance(registry.get_coder(kind), SealedCoder)
