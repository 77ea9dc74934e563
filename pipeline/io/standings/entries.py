"""How the opt-out list is written: one JSON object per account token, in file and topic alike.

    {"token": "<32 hex>", "intervals": [[from, to or null], ...], "erased": t or null,
     "restricted": t or null, "at": t}

Times are RFC 3339 in UTC. A line holds a token's full standing, and the last line of a token
wins, so a compacted topic with the token as key holds the same list. A line with anything else
in it is refused: going on without understanding the list could break a promise.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta

from pipeline.parsing import parse_json
from pipeline.privacy.identity.epochs import UNIX_EPOCH
from pipeline.privacy.optout import Standing

_TOKEN = re.compile(r"[0-9a-f]{32}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")
_NAMES = {"token", "intervals", "erased", "restricted", "at"}


class MalformedStanding(Exception):
    """A line of the list is not what it should be. Holds nothing of the line."""


def to_micros(moment: datetime) -> int:
    """Return microseconds since 1970 of an aware time."""
    return (moment - UNIX_EPOCH) // timedelta(microseconds=1)


def to_text(micros: int) -> str:
    """Return RFC 3339 in UTC with microseconds."""
    moment = UNIX_EPOCH + timedelta(microseconds=micros)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def encode(token: str, standing: Standing, at: int) -> str:
    """Return the line for a token's standing, without line feed."""
    return json.dumps(
        {
            "token": token,
            "intervals": [
                [to_text(a), None if b is None else to_text(b)] for a, b in standing.intervals
            ],
            "erased": _optional_text(standing.erased_at),
            "restricted": _optional_text(standing.restricted),
            "at": to_text(at),
        },
        separators=(",", ":"),
    )


def decode(line: bytes | str) -> tuple[str, Standing]:
    """Return token and standing of a line. Raises MalformedStanding."""
    try:
        data = parse_json(line)
        if not isinstance(data, dict) or set(data) != _NAMES:
            raise MalformedStanding
        token = data["token"]
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise MalformedStanding
        _micros(data["at"])
        intervals = tuple((_micros(a), _optional_micros(b)) for a, b in data["intervals"])
        if any(stop is not None and stop < start for start, stop in intervals):
            raise MalformedStanding
        return token, Standing(
            intervals=intervals,
            erased_at=_optional_micros(data["erased"]),
            restricted=_optional_micros(data["restricted"]),
        )
    except (ValueError, TypeError, KeyError):
        raise MalformedStanding from None


def opted_out(standing: Standing, at: int) -> Standing:
    """Return the standing after opting out at `at`; the same if it already was."""
    if standing.intervals and standing.intervals[-1][1] is None:
        return standing
    return replace(standing, intervals=(*standing.intervals, (at, None)))


def opted_in(standing: Standing, at: int) -> Standing:
    """Return the standing after opting in again; events from inside the interval stay out."""
    if not standing.intervals or standing.intervals[-1][1] is not None:
        return standing
    start = standing.intervals[-1][0]
    return replace(standing, intervals=(*standing.intervals[:-1], (start, max(start, at))))


def erased(standing: Standing, at: int) -> Standing:
    """Return the standing after an erasure request; the first one's time is kept."""
    return standing if standing.erased_at is not None else replace(standing, erased_at=at)


def restricted(standing: Standing, at: int) -> Standing:
    """Return the standing after a restriction; the first one's time is kept."""
    return standing if standing.restricted is not None else replace(standing, restricted=at)


def released(standing: Standing, at: int) -> Standing:  # noqa: ARG001 - one shape of change
    """Return the standing after a restriction ended."""
    return replace(standing, restricted=None)


def forgotten(standing: Standing, at: int) -> Standing:  # noqa: ARG001 - one shape of change
    """Return what is left when no event from before an erasure can come any more.

    What is still wanted stays: an opt-out that lasts, a restriction. Often nothing is left.
    """
    lasting = tuple(interval for interval in standing.intervals if interval[1] is None)
    return Standing(intervals=lasting, restricted=standing.restricted)


def _optional_text(micros: int | None) -> str | None:
    return None if micros is None else to_text(micros)


def _optional_micros(text: object) -> int | None:
    return None if text is None else _micros(text)


def _micros(text: object) -> int:
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise MalformedStanding
    return to_micros(datetime.fromisoformat(text))
