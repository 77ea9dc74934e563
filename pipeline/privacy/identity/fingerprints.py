"""The skeleton of an error message: what errors of one kind have in common.

Messages are never stored. Their skeleton is hashed under the epoch's key, so that equal errors
can be counted; messages that differ only in a private part have one skeleton. It is made from the
first 512 bytes by removing, in this order,

    quoted parts, in the quotation marks of any language; an open quote ends with the text
    tokens with a slash, a backslash or an @: URLs, paths, e-mails, however the @ is written
    tokens with percent-encoding or character entities; base64 with padding
    values after an equals sign                          user=alice
    words with a digit or a dot inside, hexadecimal digits (eight or more, or with colons or
    hyphens between them: addresses of devices), 33 or more letters, or letters of random case
    case, runs of white space, and how many removed parts stood in a row

Every step is linear in the length of the text, whatever it contains.
"""

from __future__ import annotations

import re

FINGERPRINT_BYTES = 8
"""Bytes of the keyed hash that make a fingerprint: 16 hex digits."""
LIMIT = 512
"""Bytes of a message that are read."""

_GONE = "*"
_FULL_WIDTH = {0xFEE0 + code: code for code in range(0x21, 0x7F)} | {0xFE6B: ord("@")}
"""Full-width forms of ASCII, and the small @."""
_AT = re.compile(
    r"%(?:25)*40|&(?:amp;)?(?:#0*64|#[xX]0*40|commat);|\\(?:u0{0,2}0040|x40)"
    r"|(?<!\S)[(\[{<](?:at|AT|At)[)\]}>](?!\S)"
)
_QUOTED = re.compile(
    r'"[^"]*(?:"|\Z)|[“”„‟][^“”]*(?:[“”]|\Z)|[«»][^«»]*(?:[«»]|\Z)|[‹›][^‹›]*(?:[‹›]|\Z)'
    r"|「[^」]*(?:」|\Z)|『[^』]*(?:』|\Z)|《[^》]*(?:》|\Z)|〈[^〉]*(?:〉|\Z)|[〝〞〟][^〝〞〟]*(?:[〝〞〟]|\Z)"
    # An apostrophe opens a quotation only where no word ends, and closes it only where none goes
    # on: not in "can't", nor in 'O'Brien'.
    r"|(?<!\w)'(?:[^']|'(?=\w))*(?:'|\Z)"
    r"|(?<!\w)[‘’‚‛](?:[^‘’]|[‘’](?=\w))*(?:[‘’]|\Z)"
    r"|[`´](?:[^`'´]|['´](?=\w))*(?:[`'´]|\Z)"
)
_QUOTES = re.compile("[\"'`´“”„‟«»‹›‘’‚‛「『《〈〝〞〟]")
_SHORTEST_HEX = 8
_AROUND_AT = re.compile(r"(?<!\S)(?:\S++ )?@(?: \S++)?(?!\S)")
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}|&#?\w+;")
_BASE64 = re.compile(r"[^\w+/-]*+((?:[\w+/-]{4})*+(?:[\w+/-]{2}==|[\w+/-]{3}=))[^\w=]*+")
_VALUE = re.compile(r"=[^,;&)\]}]*")
_WORD = re.compile(r"[\w.:+-]+")
_VARIABLE = re.compile(
    r"\d|\w\.\w|(?<!\w)[A-Fa-f]{8,}(?!\w)|[\w-]{33,}"
    r"|(?<![\w:-])(?:[A-Fa-f]{1,4}?[:-]{1,2}){2,}[A-Fa-f]{0,4}(?![\w:-])"
)
_RANDOM_CASE = 12
"""From this many letters on, a word in mixed case with a third of capitals is not a name."""
_SAYS = re.compile(r"[^\W_]")
"""A token with no letter left is removed with its punctuation, like one that is removed whole."""
_ROW = re.compile(r"\*(?:[ ,;:.-]*\*)+")


def skeleton(message: str) -> str:
    """The skeleton of a message.

    >>> skeleton("Worker 7 lost job 'a b' at /srv/x after 12.5 ms")
    'worker * lost job * at * after * ms'
    >>> skeleton("user 'O'Brien' <obrien%40example.com> not found")
    'user * not found'
    """
    text = message[:LIMIT].encode(errors="replace")[:LIMIT].decode(errors="ignore")
    if not text.isascii():
        text = text.translate(_FULL_WIDTH)
    if any(mark in text for mark in "%&\\([{<"):
        text = _AT.sub("@", text)
    if _QUOTES.search(text):
        text = _QUOTED.sub(_GONE, text)
    words = text.split()
    if "@" in words:
        words = _AROUND_AT.sub("@", " ".join(words)).split(" ")
    left = " ".join([_token(word) for word in words])
    return _ROW.sub(_GONE, left) if "*" in left else left


def _token(token: str) -> str:
    if token.isalpha() and len(token) < _SHORTEST_HEX:  # most words of most messages
        return token.lower()
    if token == _GONE:
        return token
    if token.isalnum() and not token.isalpha():  # letters and digits alone
        return _GONE
    if "/" in token or "\\" in token or "@" in token:
        return _GONE
    if ("%" in token or "&" in token) and _ENCODED.search(token):
        return _GONE
    if "=" in token:
        coded = _BASE64.fullmatch(token)
        if coded and (coded[1].endswith("==") or not coded[1][1:].islower()):
            return _GONE
        token = _VALUE.sub("=*", token)
    left = _WORD.sub(_word, token)
    return _GONE if "*" in left and not _SAYS.search(left) else left.lower()


def _word(match: re.Match[str]) -> str:
    word = match[0]
    if _VARIABLE.search(word):
        return _GONE
    capitals = sum(map(str.isupper, word)) if len(word) >= _RANDOM_CASE else 0
    return _GONE if 3 * capitals > len(word) and _is_mixed(word) else word


def _is_mixed(word: str) -> bool:
    """Whether there are capitals after the beginning, and small letters too."""
    return any(map(str.isupper, word[1:])) and any(map(str.islower, word))
