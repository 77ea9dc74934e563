"""A bounded part of the fuzzer, by fixed seeds, and the corpus that longer runs have left."""

from __future__ import annotations

import pytest

from pipeline import native
from pipeline.events.decode import strict_json
from tests.both_ways import use
from tests.fuzz.differential import fuzz, read_corpus
from tests.property.decoding import VALID, assert_same, slice_of, two_versions

MESSAGES = 12_000


@pytest.fixture(autouse=True)
def _kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    use("kernel", monkeypatch)


@pytest.mark.parametrize("event", sorted(VALID))
def test_mutated_messages_mean_the_same_to_both_decoders(event: str) -> None:
    done, fresh = fuzz(event, MESSAGES, seed=20_261_129)
    assert done >= MESSAGES
    assert len(fresh) > 30, "the mutations reach next to nothing"


@pytest.mark.parametrize("event", sorted(VALID))
def test_the_corpus_means_the_same_to_both_decoders(event: str) -> None:
    corpus = read_corpus(event)
    assert corpus
    assert_same(slice_of(event, corpus), schemas=two_versions(event))


def test_the_fuzzer_finds_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    assert native.kernel() is not None
    monkeypatch.setattr(strict_json, "MAX_KEYS", 5)
    with pytest.raises(AssertionError, match="session"):
        fuzz("session", MESSAGES, seed=1)
