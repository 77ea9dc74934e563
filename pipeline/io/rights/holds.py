"""Legal holds: days, or the rows of accounts, that are kept for a named reason, not forever.

    {"hold": "<8 hex>", "first": "2026-11-01", "last": "2026-11-03", "owner": t, "reason": t,
     "until": "2027-01-31", "at": t, "ended": t or null, "accounts": []}

A hold of days stops their expiry. A hold of accounts stops the removal of their rows on request;
it has no days, and knows the accounts by their opt-out tokens, as every request does: these stay
the same while key epochs come and go. Append-only; the last line of a hold wins. `owner` and
`reason` are an operator's words: they name a case, not a person whose data is kept.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipeline.errors import EnvironmentProblem, UsageError
from pipeline.io.disk.append_log import AppendFile, Register
from pipeline.io.disk.errors import state_faults
from pipeline.io.disk.list_marker import FileGone
from pipeline.parsing import parse_json

LONGEST = timedelta(days=180)
LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold; it ends by itself after `until`."""

    hold: str
    first: date | None
    """It covers every UTC day from this one to `last`; None for a hold of accounts."""
    last: date | None
    owner: str
    reason: str
    until: date
    at: datetime
    ended: datetime | None = None
    accounts: tuple[str, ...] = field(default=(), repr=False)
    """Opt-out tokens of the accounts that it covers."""

    def active(self, today: date) -> bool:
        """Whether the hold is in force."""
        return self.ended is None and today <= self.until

    @property
    def days(self) -> Sequence[date]:
        """Every held day."""
        if self.first is None or self.last is None:
            return ()
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


class Holds:
    """The holds in a local file."""

    def __init__(self, path: Path, register: Register | None = None) -> None:
        self._file = AppendFile(path, register)

    def add(
        self, first: date, last: date, owner: str, reason: str, until: date, now: datetime
    ) -> Hold:
        """Begin a hold of days; return it. Raises UsageError if endless, backwards or unnamed."""
        if last < first:
            raise UsageError("A hold ends before it begins", remedy="Give the earlier day first.")
        return self._begin(Hold(secrets.token_hex(4), first, last, owner, reason, until, now))

    def add_accounts(
        self, accounts: Sequence[str], owner: str, reason: str, until: date, now: datetime
    ) -> Hold:
        """Begin a hold of accounts, by opt-out token; return it. Raises as `add` does."""
        name, tokens = secrets.token_hex(4), tuple(sorted(set(accounts)))
        return self._begin(Hold(name, None, None, owner, reason, until, now, accounts=tokens))

    def _begin(self, hold: Hold) -> Hold:
        today = hold.at.date()
        if not today <= hold.until <= today + LONGEST:
            raise UsageError(
                "A hold has to end within 180 days",
                remedy="Give an earlier end; a hold that is still needed then is added again.",
            )
        for name, text in (("owner", hold.owner), ("reason", hold.reason)):
            if not text.strip() or len(text) > LONGEST_TEXT:
                raise UsageError(
                    f"A hold needs its {name}", remedy=f"Give 1 to {LONGEST_TEXT} characters."
                )
        hold = replace(hold, owner=hold.owner.strip(), reason=hold.reason.strip())
        self._append(hold)
        return hold

    def end(self, name: str, now: datetime) -> Hold:
        """End a hold before its time and return it. Raises UsageError if there is none."""
        for hold in self.all():
            if hold.hold == name and hold.active(now.date()):
                ended = replace(hold, ended=now)
                self._append(ended)
                return ended
        raise UsageError(
            "There is no active hold of this name", remedy="`telemetry hold list` shows them."
        )

    def all(self) -> Sequence[Hold]:
        """Return every hold ever made, oldest first. Raises EnvironmentProblem if unreadable."""
        path = str(self._file.path)
        try:
            with state_faults("The holds could not be read", path):
                lines = self._file.read().lines
        except FileGone as error:
            raise _broken(path, str(error)) from None
        found: dict[str, Hold] = {}
        for number, line in enumerate(lines, 1):
            try:
                hold = _decode(line)
            except (ValueError, TypeError, KeyError):
                raise _broken(f"{path}:{number}", "the line is not a hold") from None
            found[hold.hold] = hold
        return list(found.values())

    def days(self, today: date) -> Mapping[date, str]:
        """Return every day that is held now, and the name of a hold that keeps it."""
        return {day: hold.hold for hold in self.active(today) for day in hold.days}

    def active(self, today: date) -> Sequence[Hold]:
        """Return every hold that is in force, oldest first."""
        return [hold for hold in self.all() if hold.active(today)]

    def accounts(self, today: date) -> frozenset[str]:
        """Return the opt-out tokens of all accounts that are held now."""
        return frozenset(token for hold in self.active(today) for token in hold.accounts)

    def _append(self, hold: Hold) -> None:
        where = str(self._file.path)
        with state_faults("The hold could not be kept", where), self._file.exclusive():
            self.all()  # a list that cannot be trusted is not added to
            self._file.append([json.dumps(asdict(hold), default=_text)])


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def _decode(line: bytes) -> Hold:
    item = parse_json(line)
    for name in ("first", "last"):
        item[name] = item[name] and date.fromisoformat(item[name])
    item["until"] = date.fromisoformat(item["until"])
    item["at"] = datetime.fromisoformat(item["at"])
    item["ended"] = item["ended"] and datetime.fromisoformat(item["ended"])
    # Written by a version that knew holds of days only: no accounts.
    item["accounts"] = tuple(item.get("accounts", ()))
    return Hold(**item)


def _broken(where: str, why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        "The holds cannot be trusted",
        where=where,
        why=why,
        remedy="Restore the file from its backup; nothing expires or is erased before that.",
    )
