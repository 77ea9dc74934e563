"""`telemetry expire`: a plan is shown, and exactly that plan is deleted."""

from __future__ import annotations

from pipeline.cli.commands.expire import GUARDS
from tests.unit.cli.commands.tiny import Tiny

LATER = "2027-02-19T12:00:00Z"
"""89 days after the second of the lake's days, and one more."""


def test_nothing_is_due_of_a_young_lake(tiny: Tiny) -> None:
    plan = tiny.call("expire")
    assert (plan["files"], plan["partitions"]) == (0, [])


def test_the_plan_that_was_shown_is_deleted_and_no_other(tiny: Tiny) -> None:
    plan = tiny.call("expire", now=LATER)
    assert [one["date"] for one in plan["partitions"]] == ["2026-11-21", "2026-11-22"]
    other = "0" * len(plan["hash"])
    tiny.refused("expire", "--apply", other, code=1, now=LATER)
    words = [word for guard in GUARDS for word in ("--acknowledge", guard)]
    done = tiny.call("expire", "--apply", plan["hash"], *words, now=LATER)
    assert (done["files"], done["rows"]) == (plan["files"], plan["rows"])
    days = tiny.call("status", now=LATER)["tables"]["api_request"]["days"]
    assert [day["date"] for day in days] == ["2026-11-23", "2026-11-24"]
