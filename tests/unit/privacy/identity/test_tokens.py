"""Tokens: the definition written out again with the standard library, and what has no token."""

from __future__ import annotations

import hmac
import pickle
import unicodedata

import pytest

from pipeline.errors import KeyUnavailable, UsageError
from pipeline.privacy.identity.tokens import Domain, TokenKey, token

KEY = bytes(range(32))


@pytest.mark.parametrize("domain", list(Domain))
@pytest.mark.parametrize("size", [32, 33, 63, 64, 65, 200])
@pytest.mark.parametrize("value", ["a", "acct_0001", "é語😀", "x" * 256, " a ", "a\nb", "tp/v1/"])
def test_a_token_is_the_keyed_hash_of_domain_and_value(
    domain: Domain, size: int, value: str
) -> None:
    key = bytes(number % 251 for number in range(size))
    message = b"tp/v1/" + domain.value.encode() + b"\0" + value.encode()
    assert token(key, domain, value) == hmac.digest(key, message, "sha256")[:16].hex()


def test_known_tokens_do_not_change() -> None:
    assert [token(KEY, domain, "acct_1") for domain in Domain] == [
        "e891ab489bdf32f8ac1ef6f7c8123059",
        "d707b622b264ee971272bfb4fccd91cf",
        "0011adae5013caf7ab03eab82c34efab",
        "da5b22640db0d1baa79f2ab8e653bba2",
        "1c6a663233a815b43a9a913ce8f9e6ae",
    ]


def test_many_values_have_the_tokens_that_each_has_alone() -> None:
    values = [f"value {number}" for number in range(100)] * 2
    many = TokenKey(KEY).tokens("sess", values)
    assert [found.hex() for found in many] == [token(KEY, "sess", value) for value in values]


def test_values_that_only_look_alike_have_different_tokens() -> None:
    values = [
        "Zoë",
        unicodedata.normalize("NFD", "Zoë"),
        "zoë",
        "ZOË",
        "Zoë ",
        " Zoë",
        "Zoë\0",
        "Zo\0ë",
        "Zoe",
        "\0",
        "0",
    ]
    assert len(set(TokenKey(KEY).tokens(Domain.SUBJECT, values))) == len(values)


def test_a_value_cannot_reach_into_another_domain() -> None:
    assert token(KEY, "subj", "x") != token(KEY, "sess", "x")
    assert token(KEY, "evt", "\0x") != token(KEY, "evt", "x")


def test_keys_of_two_epochs_make_unrelated_tokens() -> None:
    assert token(KEY, "subj", "x") != token(KEY[::-1], "subj", "x")


@pytest.mark.parametrize("size", [0, 1, 16, 31])
def test_a_short_key_is_refused(size: int) -> None:
    with pytest.raises(KeyUnavailable):
        TokenKey(bytes(size))


@pytest.mark.parametrize("value", ["", "x" * 257, "é" * 129, "x" * 1_000_000, "\ud800"])
def test_what_is_no_identifier_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(UsageError) as caught:
        token(KEY, "subj", value)
    assert not value or value not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_unknown_domain_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a valid Domain"):
        TokenKey(KEY).tokens("user", ["x"])


def test_a_key_is_neither_shown_nor_pickled() -> None:
    key = TokenKey(KEY)
    assert repr(key) == str(key) == "TokenKey(...)"
    with pytest.raises(TypeError):
        pickle.dumps(key)
