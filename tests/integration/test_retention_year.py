"""A year and more of days, with everything that may happen in them: what is too old is gone.

Days pass by an injected clock, and everything on the disk is aged with them. A pipeline's process
takes events in while the jobs of the night run beside it; both are killed now and then, wherever
it hurts. What has to be true is checked at every midnight and every evening (`year.Year`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.io import deltalog
from pipeline.io.keystore import LocalKeystore
from pipeline.io.lake import Lake
from pipeline.io.stored_table import StoredTable
from pipeline.ops.expire import Expiry
from pipeline.privacy.epochs import EpochKind, epoch_of
from pipeline.privacy.optout import OptOutGate
from tests.integration.year import ACTIVE, FIRST, Year
from tests.integration.year_worker import MOMENTS

DAYS = 405
DEATHS = [f"{moment}:{number}" for number in (1, 2) for moment in MOMENTS]
STREAM_DEATHS = ("revealed:1", "committed:1", "committed:2")


@pytest.fixture(autouse=True)
def _short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated day lasts a fraction of a second, so the log forgets removals as fast."""
    properties = {**deltalog.PROPERTIES, "delta.deletedFileRetentionDuration": "interval 1 seconds"}
    monkeypatch.setattr(deltalog, "PROPERTIES", properties)


def year_of(folder: Path, seed: int, *, inline: bool = False) -> Year:
    (folder / "state").mkdir(mode=0o700)
    return Year(folder, seed, inline=inline)


def key_dies(number: int) -> bool:
    """Whether the last day of a key's epoch expires on that day of the year."""
    day = FIRST + timedelta(days=number - 89)
    return number > 89 and epoch_of(day, EpochKind.FOUR_WEEKS).last_day == day


@pytest.mark.slow
def test_in_four_hundred_days_nothing_outlives_its_time(tmp_path: Path) -> None:
    year = year_of(tmp_path, seed=1)
    asked = iter(ACTIVE)
    for number in range(DAYS):
        death = DEATHS[number // 5 % len(DEATHS)] if number % 7 == 5 or number % 20 == 5 else ""
        if key_dies(number):
            death = ("destroyed:1", "receipted:1", "verified:1")[number // 28 % 3]
        year.live_through(
            number,
            erase=[next(asked)] if number % 20 == 5 else (),
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
    assert {f"events/api_request/{day}" for day in due} <= expired
    assert sum(not epoch.live for epoch in year.world.keys.epochs()) > DAYS // 28 - 4
    assert year.killed > 30
    assert len(year.expected.gone) == 20
    _check_log(tmp_path)


def _parts(body: Any) -> list[str]:
    return list(body["partitions"])


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
    "deletion": (_skip(Expiry, "_delete"), "still there"),
    "key destruction": (_skip(LocalKeystore, "destroy"), "dead epoch"),
    "opt-out gate": (
        lambda patch: patch.setattr(OptOutGate, "drop", lambda self, batch, *_: batch),
        "erased account",
    ),
    "recovery": (_skip(Lake, "recover", 0), "no commit names"),
}
"""What is taken away, and what the year says of it."""


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
            erase = [ACTIVE[0]] if number == 1 else ()
            death = "revealed:1" if number == 6 else ""
            year.live_through(number, erase=erase, jobs_die=death, leave_rubbish=number == 4)
        year.check_midnight(FIRST + timedelta(days=last + 2))

    if not said:
        live()
        return
    with pytest.raises(Exception, match=said):
        live()
