"""What kind of site a request came from; the address of the page is never kept.

    none      no referrer
    own, search, social, docs   the host is one of the catalogue's domains or below it
    other     any other web page or application
    invalid   not an absolute URL, or one that no browser sends

A host below several domains belongs to the longest one, so `docs.astack.example` can be `docs`
while `astack.example` is `own`. Only whole labels count: `notgoogle.com` is not `google.com`.
A URL with user information is invalid: `https://google.com@evil.example/` is not a search.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

NONE = "none"
OTHER = "other"
INVALID = "invalid"

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31})://([^/?#]*)")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_AUTHORITY = re.compile(
    r"(?P<host>(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?P<port>[0-9]{0,5}))?"
)
_LONGEST_HOST = 254


class ReferrerClassifier:
    """Classifies referrers by the domains of a catalogue (class -> domains, lower case)."""

    __slots__ = ("_classes",)

    def __init__(self, domains: Mapping[str, Sequence[str]]) -> None:
        self._classes = {name: kind for kind, names in domains.items() for name in names}

    def classify(self, referrer: str) -> str:
        """The class of a referrer; `none` for an empty one.

        >>> ReferrerClassifier({"search": ["google.com"]}).classify("https://www.google.com/")
        'search'
        """
        if not referrer:
            return NONE
        url = _URL.match(referrer)
        if url is None or _FORBIDDEN.search(referrer):
            return INVALID
        authority = _AUTHORITY.fullmatch(url[2])
        if authority is None or int(authority["port"] or 0) > 65535:
            return INVALID
        if url[1].lower() not in ("http", "https"):
            return OTHER
        host = authority["host"].lower().removesuffix(".")
        return INVALID if len(host) >= _LONGEST_HOST else self._of_host(host)

    def classify_all(self, referrers: Sequence[str]) -> list[str]:
        """`classify` for each of the referrers."""
        return [self.classify(referrer) for referrer in referrers]

    def _of_host(self, host: str) -> str:
        while host:
            kind = self._classes.get(host)
            if kind is not None:
                return kind
            host = host.partition(".")[2]
        return OTHER
