"""What a scan found: which checks it breaks, where, and why. Never the value itself.

The reasons are sentences of the scan's own. A name that is not ours may itself be an identifier,
so it is shown with everything masked that could be one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_TELLING = re.compile(
    r"[^ -~]|[^/\s]*@[^/\s]*|%[0-9A-Fa-f]{2}|[0-9A-Fa-f]{16,}"
    r"|[0-9]{1,3}(?:[.-][0-9]{1,3}){3}|[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,}"
)
_LONGEST = 120


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that exists but must not."""

    checks: tuple[str, ...]
    """The checks that it breaks, the closest one first."""
    place: str
    """`lake/events/...` or `state/...`, with a column, a line or a key where there is one."""
    reason: str
    count: int = 0
    """How many distinct values, lines or cells; 0 where there is nothing to count."""

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}" + (f" ({self.count})" if self.count else "")


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that could not be examined, so nothing is proven about it."""

    checks: tuple[str, ...]
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan examined, and what it found."""

    files: int = 0
    rows: int = 0
    texts: int = 0
    """Distinct texts that were compared, per column of a row group."""
    findings: tuple[Finding, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    def __add__(self, other: Scanned) -> Scanned:
        return Scanned(
            self.files + other.files,
            self.rows + other.rows,
            self.texts + other.texts,
            self.findings + other.findings,
            self.doubts + other.doubts,
        )

    def of(self, check: str) -> list[Finding]:
        """The findings that break a check."""
        return [one for one in self.findings if check in one.checks]

    def doubted(self, check: str) -> list[Doubt]:
        """What a check could not examine."""
        return [one for one in self.doubts if check in one.checks]


def masked(path: str) -> str:
    """An unknown name without anything that could be an address, a token or an e-mail.

    >>> masked("events/api_request/alice@example.com.csv")
    'events/api_request/*'
    >>> masked("events/notes.txt")
    'events/notes.txt'
    """
    return _TELLING.sub("*", path)[:_LONGEST]


def merged(parts: Iterable[Scanned]) -> Scanned:
    """All parts of a scan as one, each finding once."""
    total = Scanned()
    for part in parts:
        total += part
    findings, doubts = dict.fromkeys(total.findings), dict.fromkeys(total.doubts)
    return Scanned(total.files, total.rows, total.texts, tuple(findings), tuple(doubts))
