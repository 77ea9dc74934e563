"""Pseudonymous tokens: HMAC-SHA256 under the key of an epoch, one domain for each kind of value.

    HMAC-SHA256(key, "tp/v1/" + domain + NUL + UTF-8 value)[:16]

NUL cannot occur in a domain, so no value of one domain can collide with a value of another.
Values are taken exactly as given: no case folding, no normalisation. Without the key a token can
neither be computed nor checked; under two epochs' keys one value has two unrelated tokens.

The SHA-256 states that have absorbed the padded key are kept and copied for each value (RFC 2104
allows exactly that): by the native kernel where it was built, else by `hashlib`,
eight times slower.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING

from pipeline import native
from pipeline.errors import KeyUnavailable, UsageError

if TYPE_CHECKING:
    from pipeline.kernel import TokenKey as NativeKey

KEY_BYTES = 32
"""Shortest key that is accepted."""
TOKEN_BYTES = 16
IDENTIFIER_LIMIT = 256
"""Longest identifier, in bytes of UTF-8."""

_BLOCK = 64
_PREFIX = b"tp/v1/"
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class Domain(StrEnum):
    """What kind of value a token stands for."""

    SUBJECT = "subj"
    SESSION = "sess"
    EVENT = "evt"
    OPTOUT = "optout"
    FINGERPRINT = "fp"


def prefix_of(domain: Domain) -> bytes:
    """The prefix of every value of a domain."""
    return _PREFIX + domain.value.encode() + b"\0"


class TokenKey:
    """A key, ready to make tokens. Never shows the key; cannot be pickled.

    Raises `KeyUnavailable` for a key of fewer than 32 bytes.
    """

    __slots__ = ("_inner", "_outer", "native")

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise KeyUnavailable(
                f"a key has fewer than {KEY_BYTES} bytes",
                remedy="Restore the keystore from its backup; never make a key by hand",
            )
        kernel = native.kernel()
        self.native: NativeKey | None = kernel.TokenKey(key) if kernel is not None else None
        """The same key in the kernel, for whole columns; None where there is no kernel."""
        block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        keyed = hashlib.sha256(block.translate(_INNER))
        self._outer = hashlib.sha256(block.translate(_OUTER))
        self._inner = {domain: keyed.copy() for domain in Domain}
        for domain, state in self._inner.items():
            state.update(prefix_of(domain))

    def digests(self, domain: Domain, values: Iterable[bytes]) -> list[bytes]:
        """The whole 32-byte HMACs of values that are already UTF-8 and have been checked.

        For column kernels; the first 16 bytes of each are its token.
        """
        if self.native is not None:
            return self.native.digests(prefix_of(domain), list(values))
        inner, outer = self._inner[domain].copy, self._outer.copy
        found: list[bytes] = []
        append = found.append
        for value in values:
            state = inner()
            state.update(value)
            final = outer()
            final.update(state.digest())
            append(final.digest())
        return found

    def tokens(self, domain: Domain | str, values: Iterable[str]) -> list[bytes]:
        """The 16-byte token of each value, in order.

        An empty value stands for a missing one and has no token; that, and a value of more than
        256 bytes, is a `UsageError` (which does not show it).
        """
        encoded = [_encoded(value) for value in values]
        return [digest[:TOKEN_BYTES] for digest in self.digests(Domain(domain), encoded)]

    def __repr__(self) -> str:
        return "TokenKey(...)"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a TokenKey is not pickled: keys do not travel")


def token(key: bytes, domain: Domain | str, value: str) -> str:
    """The token of one value as 32 lower-case hex digits; errors as for `TokenKey`.

    >>> token(bytes(32), "subj", "acct_1")
    '9af08d5525d3bc420e0e0ddc6ed477a6'
    """
    return TokenKey(key).tokens(domain, [value])[0].hex()


def check_identifier(value: str) -> None:
    """Raise `UsageError` (which does not show it) for an identifier that no event can carry.

    The decoder refuses NUL, lone surrogates and more than 256 bytes, and takes an empty value for
    a missing one: a token of such a value would stand for nobody.
    """
    if b"\0" in _encoded(value):
        raise UsageError(
            "an identifier holds a NUL",
            remedy="No event with such an identifier is ever stored; check it",
        )


def _encoded(value: str) -> bytes:
    try:
        encoded = value.encode()
    except UnicodeEncodeError:
        raise UsageError("an identifier is not text", remedy="Give it as valid UTF-8") from None
    if not encoded:
        raise UsageError("an identifier is empty", remedy="Give the identifier itself")
    if len(encoded) > IDENTIFIER_LIMIT:
        raise UsageError(
            f"an identifier has more than {IDENTIFIER_LIMIT} bytes",
            remedy="No event with such an identifier is ever stored; check it",
        )
    return encoded
