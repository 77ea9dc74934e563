"""A year and more of days, with everything that may happen in them: what is too old is gone.

Days pass by an injected clock, and everything on the disk is aged with them. A pipeline's process
takes events in while the jobs of the night run beside it; both are killed now and then, wherever
it hurts. What has to be true is checked at every midnight and every evening (`year.Year`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.io.delta import creation
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.table import StoredTable
from pipeline.io.rights.request_queue import RequestKind
from pipeline.ops.retention.expiry import Deleted, Expiry
from pipeline.ops.rights import worker as working
from pipeline.ops.rights.restriction import Restriction
from pipeline.ops.rights.worker import Rights
from pipeline.privacy.identity.epochs import EpochKind, epoch_of
from pipeline.privacy.optout import OptOutGate
from tests.integration.year import FIRST, Year
from tests.integration.year_people import ACTIVE
from tests.integration.year_worker import MOMENTS, trust_the_disk

DAYS = 405
DEATHS = [f"{moment}:{number}" for number in (1, 2) for moment in MOMENTS]
STREAM_DEATHS = ("revealed:1", "committed:1", "committed:2")


@pytest.fixture(autouse=True)
def _short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated day lasts a fraction of a second, so the log forgets removals as fast."""
    properties = {
        **creation.PROPERTIES,
        "delta.deletedFileRetentionDuration": "interval 1 seconds",
    }
    monkeypatch.setattr(creation, "PROPERTIES", properties)
    monkeypatch.setattr(os, "fsync", os.fsync)  # put back when the test is over
    trust_the_disk()


def year_of(folder: Path, seed: int, *, inline: bool = False) -> Year:
    (folder / "state").mkdir(mode=0o700)
    return Year(folder, seed, inline=inline)


def key_dies(number: int) -> bool:
    """Whether the last day of a key's epoch expires on that day of the year."""
    day = FIRST + timedelta(days=number - 89)
    return number > 89 and epoch_of(day, EpochKind.FOUR_WEEKS).last_day == day


def asked_on(number: int) -> tuple[dict[str, RequestKind], tuple[str, ...]]:
    """What people ask for on a day of the year, and who is held from then on.

    Every twentieth day somebody leaves, and is erased or opts out. The fifth, ninth and so on are
    held before: their rows stay for a while longer. The last accounts are restricted in turn.
    """
    ask: dict[str, RequestKind] = {}
    turn, day = divmod(number, 20)
    if day == 5 and turn < 20:
        ask[ACTIVE[turn]] = LEAVES[turn % len(LEAVES)]
    hold = (ACTIVE[turn],) if day == 3 and turn % 4 == 0 else ()
    if day == 9 and turn % 4 == 1:
        ask[ACTIVE[20 + turn // 4]] = RequestKind.RESTRICT
    if day == 9 and turn % 4 == 3:
        ask[ACTIVE[20 + turn // 4]] = RequestKind.RELEASE
    return ask, hold


LEAVES = (RequestKind.ERASE, RequestKind.PURGE, RequestKind.ERASE_UNDER_13)


@pytest.mark.slow
def test_in_four_hundred_days_nothing_outlives_its_time(tmp_path: Path) -> None:
    year = year_of(tmp_path, seed=1)
    for number in range(DAYS):
        death = DEATHS[number // 5 % len(DEATHS)] if number % 7 == 5 or number % 20 == 5 else ""
        if key_dies(number):
            death = ("destroyed:1", "receipted:1", "verified:1")[number // 28 % 3]
        if number % 20 == 9:
            death = ("moved:1", "committed:1", "queued:1")[number // 40 % 3]
        ask, hold = asked_on(number)
        year.live_through(
            number,
            ask=ask,
            hold=hold,
            backfill=200 <= number < 204,
            stream_dies=STREAM_DEATHS[number % 3] if number % 40 == 30 else "",
            jobs_die=death,
            hard=number % 4 == 1,
        )
    year.check_midnight(FIRST + timedelta(days=DAYS))
    year.close()
    receipts = year.world.receipts
    assert receipts.verify() is None
    expired = {str(part) for one in receipts.all() for part in _parts(one.body)}
    due = {day for day in year.expected.days() if day <= FIRST + timedelta(days=DAYS - 90)}
    assert len(due) > 200
    # All rows of a day may have been aside when it was due.
    assert {str(day) for day in due} <= {
        part.rpartition("/")[2] for part in expired if not part.startswith("rejections/")
    }
    assert sum(not epoch.live for epoch in year.world.keys.epochs()) > DAYS // 28 - 4
    assert year.killed > 30
    assert len(year.expected.gone) == 20
    _check_requests(year)
    _check_log(tmp_path)


def _check_requests(year: Year) -> None:
    """Everything was carried out, on record; the list knows whom it still has to know."""
    queue = year.world.queue.all()
    assert {one.kind for one in queue} == {*LEAVES, RequestKind.RESTRICT, RequestKind.RELEASE}
    named = {number for one in year.world.receipts.all() for number in _named(one.body)}
    assert {one.number for one in queue if one.swept_at is not None} <= named
    waiting = [one for one in year.world.queue.pending() if one.swept_at is None]
    assert waiting == []
    standings = year.world.optout.standings()
    tokens = {who: year.world.optout.tokens([who])[0] for who in year.expected.gone}
    for who, since in year.expected.gone.items():
        if who not in year.expected.erased:
            assert standings[tokens[who]].intervals, "an opt-out was forgotten"
        elif DAYS - since < 97:
            assert standings[tokens[who]].erased_at is not None, "a tombstone was forgotten early"
        elif DAYS - since > 97 + 31:
            assert tokens[who] not in standings, "a tombstone is still there"


def _named(body: Any) -> list[str]:
    return list(body.get("requests", ()))


def _parts(body: Any) -> list[str]:
    return list(body.get("partitions", ()))


def _check_log(folder: Path) -> None:
    """Old log entries do not name expired files for ever either."""
    old = [str(FIRST + timedelta(days=number)) for number in range(DAYS - 89 - 3)]
    for path in (folder / "lake" / "events" / "api_request" / "_delta_log").glob("*.json"):
        text = path.read_text()
        assert not [day for day in old if f"event_date={day}" in text], path.name


Remove = Callable[[pytest.MonkeyPatch], object]


def _skip(owner: type, name: str, answer: object = None) -> Remove:
    return lambda patch: patch.setattr(owner, name, lambda *args, **options: answer)


REMOVED: dict[str, tuple[Remove, str]] = {
    "nothing": (lambda patch: None, ""),
    "vacuum": (_skip(StoredTable, "vacuum", ()), "no commit names"),
    "expiry": (_skip(Expiry, "apply"), "outlived|too old"),
    "deletion": (_skip(Expiry, "_delete", Deleted()), "still there"),
    "key destruction": (_skip(LocalKeystore, "destroy"), "dead epoch"),
    "opt-out gate": (
        lambda patch: patch.setattr(OptOutGate, "drop", lambda self, batch, *_, **__: batch),
        "rows are lost",
    ),
    "removal": (_skip(Rights, "_remove"), "erased account"),
    "hold": (
        lambda patch: patch.setattr(working, "is_held", lambda *_: False),
        "rows are lost",
    ),
    "restriction": (_skip(Restriction, "restrict", 0), "in a view"),
    "release": (_skip(Restriction, "release", 0), "aside of the unrestricted"),
    "recovery": (_skip(Lake, "recover", 0), "no commit names"),
}
"""What is taken away, and what the year says of it."""


SHORT = {
    1: {ACTIVE[0]: RequestKind.ERASE},
    3: {ACTIVE[1]: RequestKind.ERASE, ACTIVE[2]: RequestKind.PURGE},
    5: {ACTIVE[3]: RequestKind.RESTRICT},
    12: {ACTIVE[3]: RequestKind.RELEASE},
}
"""What is asked for in the short year; the second account is held when it asks."""


@pytest.mark.slow
@pytest.mark.parametrize("removed", REMOVED)
def test_the_year_notices_when_a_mechanism_is_missing(
    tmp_path: Path, removed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short year of the days that matter; `nothing` shows that it passes as it is."""
    remove, said = REMOVED[removed]
    remove(monkeypatch)
    year = year_of(tmp_path, seed=2, inline=True)
    last = next(number for number in range(90, 120) if key_dies(number))
    days = [*range(14), *range(89, 93), last - 1, last, last + 1]

    def live() -> None:
        for number in days:
            year.live_through(
                number,
                ask=SHORT.get(number),
                hold=(ACTIVE[1],) if number == 2 else (),
                jobs_die="revealed:1" if number == 6 else "",
                leave_rubbish=number == 4,
            )
        year.check_midnight(FIRST + timedelta(days=last + 2))

    if not said:
        live()
        return
    with pytest.raises(Exception, match=said):
        live()
