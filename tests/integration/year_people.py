"""The people of the simulated year: what each has asked for, and which rows there have to be."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from pipeline.io.rights.request_queue import RequestKind
from tests.integration.year_worker import HELD_DAYS, Asked

ACTIVE = [f"account-{number}" for number in range(25)]
LEAVING = {RequestKind.ERASE, RequestKind.ERASE_UNDER_13, RequestKind.PURGE}
SECOND_PASS = 8
CLOSED = 60
"""An erased account is closed for good, and sends nothing, so many days later."""
Rows = Counter[tuple[date, str | None]]
"""How many rows there are of each subject token, by day."""


@dataclass
class Expected:
    """What has to be in the lake, known from the messages and the requests alone."""

    rows: Rows = field(default_factory=Counter)
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)
    """Every token that an account ever had, by account and epoch."""
    gone: dict[str, int] = field(default_factory=dict)
    """Accounts of which nothing may be taken any more, and since which day of the year."""
    erased: set[str] = field(default_factory=set)
    """Those of them that asked for erasure; the others opted out."""
    held: dict[str, int] = field(default_factory=dict)
    """Accounts that were held, and from which day on."""
    restricted: set[str] = field(default_factory=set)

    def ask(self, asked: list[Asked], hold: tuple[str, ...], number: int) -> None:
        """Note what was asked for on a day."""
        self.held |= dict.fromkeys(hold, number)
        for one in asked:
            if one.kind in LEAVING:
                self.gone.setdefault(one.account, number)
            if one.kind in LEAVING - {RequestKind.PURGE}:
                self.erased.add(one.account)
            if one.kind is RequestKind.RESTRICT:
                self.restricted.add(one.account)
            if one.kind is RequestKind.RELEASE:
                self.restricted.discard(one.account)

    def silent(self, asked: list[Asked], number: int) -> set[str]:
        """Return who sends nothing on a day: closed accounts, and those whose rows are counted.

        Whether an event that comes beside the job is taken depends on who is faster.
        """
        counted = {one.account for one in asked if one.kind not in LEAVING}
        counted |= {one.account for one in asked if one.account in self.held}
        closed = {who for who in self.erased if number - self.gone[who] > CLOSED}
        return counted | closed

    def is_taken(self, who: str | None) -> bool:
        """Whether an event of an account has to be stored."""
        return who not in self.gone and who not in self.restricted

    def is_held(self, who: str, number: int) -> bool:
        """Whether a hold keeps the account's rows on a day."""
        return who in self.held and 0 <= number - self.held[who] <= HELD_DAYS

    def leaving(self, number: int) -> set[str]:
        """Return tokens whose rows may or may not be there: asked for, second pass to come."""
        return self.of({who for who in self.gone if not self.is_held(who, number)})

    def over(self, number: int) -> set[str]:
        """Return tokens that must not be found any more."""
        left = {who for who, since in self.gone.items() if number - since >= SECOND_PASS}
        return self.of({who for who in left if not self.is_held(who, number)})

    def aside(self) -> set[str]:
        """Return tokens whose rows are in no view."""
        return self.of(self.restricted)

    def of(self, accounts: set[str]) -> set[str]:
        """Return every token that these accounts ever had."""
        return {token for (account, _), token in self.tokens.items() if account in accounts}

    def days(self) -> set[date]:
        """Days with rows of people who never left."""
        left = self.of(set(self.gone))
        return {day for day, subject in self.rows if subject not in left}
