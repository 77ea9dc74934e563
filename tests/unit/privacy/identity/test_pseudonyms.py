"""Columns of identifiers become columns of tokens, each row under the key of its own epoch."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from pipeline.errors import KeyUnavailable
from pipeline.privacy.columns import Ints
from pipeline.privacy.identity.epochs import EpochKind, epoch_of
from pipeline.privacy.identity.fingerprints import skeleton
from pipeline.privacy.identity.pseudonyms import (
    REMEMBERED_EPOCHS,
    EpochTokens,
    Group,
    Pseudonymizer,
    groups_of,
    token_column,
)
from pipeline.privacy.identity.tokens import Domain, token
from tests.both_ways import decoder_in_use
from tests.privacy_rows import KEY, MemoryKeys

__all__ = ["decoder_in_use"]

DAYS = [date(2026, 11, 22), date(2026, 11, 23), date(2026, 11, 22)]
NAMES = [epoch_of(day, EpochKind.DAY).name for day in DAYS]


def since_1970(*days: date) -> Ints:
    return np.array([(day - date(1970, 1, 1)).days for day in days], np.int64)


def tokens_of(values: list[str | None], domain: Domain, keys: MemoryKeys) -> list[str | None]:
    opened, indices, dead = Pseudonymizer(keys, EpochKind.DAY).open(since_1970(*DAYS))
    assert not dead.any()
    column = pa.array(values, pa.string())
    made = token_column(column, groups_of(opened, indices), domain)
    assert made.validate(full=True) is None
    found: list[str | None] = made.to_pylist()
    return found


@pytest.mark.parametrize("domain", [Domain.SUBJECT, Domain.SESSION, Domain.EVENT])
def test_each_row_has_the_token_of_its_epoch(domain: Domain) -> None:
    found = tokens_of(["a", "a", "é"], domain, MemoryKeys())
    assert found == [
        token(KEY + name.encode(), domain, value)
        for name, value in zip(NAMES, ["a", "a", "é"], strict=True)
    ]


def test_a_message_has_the_fingerprint_of_its_skeleton() -> None:
    found = tokens_of(
        ["failed for 'alice'", "it broke", "failed for 'bob'"], Domain.FINGERPRINT, MemoryKeys()
    )
    bones = skeleton("failed for 'alice'")
    assert found[0] == found[2] == token(KEY + NAMES[0].encode(), "fp", bones)[:16]
    assert found[1] != found[0]


@pytest.mark.parametrize("domain", [Domain.SUBJECT, Domain.EVENT, Domain.FINGERPRINT])
def test_missing_and_empty_values_have_no_token(domain: Domain) -> None:
    first, *rest = tokens_of(["a", None, ""], domain, MemoryKeys())
    assert first is not None
    assert rest == [None, None]
    assert tokens_of([None, None, ""], domain, MemoryKeys()) == [None] * 3


def test_a_batch_of_one_epoch_is_one_group() -> None:
    opened, indices, _ = Pseudonymizer(MemoryKeys(), EpochKind.WEEK).open(since_1970(*DAYS[1:2]))
    assert groups_of(opened, indices) == [Group(None, opened[0][1])]


def test_rows_of_a_destroyed_epoch_are_told_and_the_others_go_on() -> None:
    keys = MemoryKeys(destroyed=[NAMES[0]])
    opened, _, dead = Pseudonymizer(keys, EpochKind.DAY).open(since_1970(*DAYS))
    assert dead.tolist() == [True, False, True]
    assert len(opened) == 1


def test_no_rows_need_no_key() -> None:
    keys = MemoryKeys()
    opened, indices, dead = Pseudonymizer(keys, EpochKind.DAY).open(since_1970())
    assert (opened, len(indices), len(dead), keys.asked) == ([], 0, 0, [])


def test_a_key_is_asked_for_with_every_batch_and_answers_are_kept_for_few_epochs() -> None:
    keys = MemoryKeys()
    one = Pseudonymizer(keys, EpochKind.DAY)
    [(_, first)], *_ = one.open(since_1970(DAYS[0]))
    [(_, again)], *_ = one.open(since_1970(DAYS[0]))
    assert again is first
    keys.salt = b"restored"
    [(_, other)], *_ = one.open(since_1970(DAYS[0]))
    assert other is not first
    for number in range(REMEMBERED_EPOCHS):
        one.open(since_1970(date(2026, 11, 1 + number)))
    [(_, forgotten)], *_ = one.open(since_1970(DAYS[0]))
    assert forgotten is not other
    assert len(keys.asked) == 4 + REMEMBERED_EPOCHS


def test_a_key_that_is_too_short_makes_no_token() -> None:
    with pytest.raises(KeyUnavailable):
        EpochTokens(b"short")
    assert KEY.hex() not in repr(EpochTokens(KEY))
    assert str(KEY) not in repr(EpochTokens(KEY))
