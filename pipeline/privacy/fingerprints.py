"""The skeleton of an error message: what errors of one kind have in common.

Messages are never stored. Their skeleton is hashed under the epoch's key, so that equal errors
can be counted; it loses, in this order,

    quoted parts (an open quote ends with the text)      cannot read 'my cat.mov'
    tokens with a slash, backslash or @: URLs, paths, e-mails
    values after an equals sign                          user=alice
    words with a digit, a dot inside, eight or more hexadecimal digits, or 33 or more letters
    case, runs of white space, and how many removed parts stood in a row

Every step is linear in the text, whatever somebody writes into it.
"""

from __future__ import annotations

import re

FINGERPRINT_BYTES = 8
"""Bytes of the keyed hash that make a fingerprint: 16 hex digits."""

_GONE = "*"
_SHORTEST_HEX = 8
_QUOTED = re.compile(
    r'"[^"]*(?:"|\Z)|`[^`]*(?:`|\Z)|“[^”]*(?:”|\Z)|«[^»]*(?:»|\Z)'
    # An apostrophe opens a quotation only where no word ends: not in "can't".
    r"|(?<!\w)'[^']*(?:'|\Z)|(?<!\w)‘[^’]*(?:’|\Z)"
)
_VALUE = re.compile(r"=[^,;&)\]}]+")
_WORD = re.compile(r"[\w.:-]+")
_VARIABLE = re.compile(r"\d|\w\.\w|(?<!\w)[A-Fa-f]{8,}(?!\w)|[\w-]{33,}")
_ROW = re.compile(r"\*(?:[ ,;:.-]*\*)+")


def skeleton(message: str) -> str:
    """The skeleton of a message.

    >>> skeleton("Worker 7 lost job 'a b' at /srv/x after 12.5 ms")
    'worker * lost job * at * after * ms'
    """
    words = [_token(token) for token in _QUOTED.sub(_GONE, message).split()]
    return _ROW.sub(_GONE, " ".join(words))


def _token(token: str) -> str:
    if token.isalpha() and len(token) < _SHORTEST_HEX:  # most words of most messages
        return token.lower()
    if token.isalnum() and not token.isalpha():  # letters and digits alone
        return _GONE
    if "/" in token or "\\" in token or "@" in token:
        return _GONE
    return _WORD.sub(_word, _VALUE.sub("=*", token)).lower()


def _word(match: re.Match[str]) -> str:
    return _GONE if _VARIABLE.search(match[0]) else match[0]
