"""Legal holds: days that are kept beyond their time, for a named reason and not for ever.

    {"hold": "<8 hex>", "first": "2026-11-01", "last": "2026-11-03", "owner": t, "reason": t,
     "until": "2027-01-31", "at": t, "ended": t or null}

Append-only; the last line of a hold wins. `owner` and `reason` are an operator's words: they name
a case, not a person whose data is kept.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipeline.errors import EnvironmentProblem, UsageError
from pipeline.io.appendfile import AppendFile, FileGone
from pipeline.io.faults import state_faults

LONGEST = timedelta(days=180)
LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold, on every UTC day from `first` to `last`; it ends by itself after `until`."""

    hold: str
    first: date
    last: date
    owner: str
    reason: str
    until: date
    at: datetime
    ended: datetime | None = None

    def active(self, today: date) -> bool:
        """Whether the hold is in force."""
        return self.ended is None and today <= self.until

    @property
    def days(self) -> Sequence[date]:
        """Every held day."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


class Holds:
    """The holds in a local file."""

    def __init__(self, path: Path) -> None:
        self._file = AppendFile(path)

    def add(
        self, first: date, last: date, owner: str, reason: str, until: date, now: datetime
    ) -> Hold:
        """Begin a hold and return it. Raises UsageError if it is endless, backwards or unnamed."""
        if last < first:
            raise UsageError("A hold ends before it begins", remedy="Give the earlier day first.")
        if not now.date() <= until <= now.date() + LONGEST:
            raise UsageError(
                "A hold has to end within 180 days",
                remedy="Give an earlier end; a hold that is still needed then is added anew.",
            )
        for name, text in (("owner", owner), ("reason", reason)):
            if not text.strip() or len(text) > LONGEST_TEXT:
                raise UsageError(
                    f"A hold needs its {name}", remedy=f"Give 1 to {LONGEST_TEXT} characters."
                )
        hold = Hold(secrets.token_hex(4), first, last, owner.strip(), reason.strip(), until, now)
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
        except FileGone:
            raise _broken(path, "the file was there before and is gone") from None
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
        return {day: hold.hold for hold in self.all() if hold.active(today) for day in hold.days}

    def _append(self, hold: Hold) -> None:
        where = str(self._file.path)
        with state_faults("The hold could not be kept", where), self._file.exclusive():
            self._file.append([json.dumps(asdict(hold), default=_text)])


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def _decode(line: bytes) -> Hold:
    item = json.loads(line)
    for name in ("first", "last", "until"):
        item[name] = date.fromisoformat(item[name])
    item["at"] = datetime.fromisoformat(item["at"])
    item["ended"] = item["ended"] and datetime.fromisoformat(item["ended"])
    return Hold(**item)


def _broken(where: str, why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        "The holds cannot be trusted",
        where=where,
        why=why,
        remedy="Restore the file from its backup; nothing expires before that.",
    )
