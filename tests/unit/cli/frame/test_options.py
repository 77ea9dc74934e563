"""Options that commands share: one clock, one way to say a time, one way to be quiet."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import click
import pytest

from pipeline.cli.frame.logs import levels_of_one_command
from pipeline.cli.frame.options import (
    Invocation,
    configured,
    number_option,
    read_time,
    reporting,
    seed_option,
)
from pipeline.cli.frame.output import Output
from pipeline.errors import UsageError


def context() -> click.Context:
    return click.Context(click.Command("x"), info_name="telemetry x")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24T12:00:00Z", datetime(2026, 11, 24, 12, tzinfo=UTC)),
        ("2026-11-24T12:00:00", datetime(2026, 11, 24, 12, tzinfo=UTC)),
        ("2026-11-24T12:00:00+02:00", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("2026-11-24", datetime(2026, 11, 24, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_utc(text: str, moment: datetime) -> None:
    found = read_time(context(), click.Option(["--now"]), text)
    assert found == moment
    assert found is not None
    assert found.tzinfo == UTC


def test_a_time_that_is_invalid_is_not_repeated() -> None:
    with pytest.raises(UsageError) as refused:
        read_time(context(), click.Option(["--now"]), "somebody@example.com")
    assert "somebody" not in str(refused.value)
    assert "2026-11-24T12:00:00Z" in refused.value.remedy


def test_a_fixed_clock_stands_for_the_machines() -> None:
    fixed = datetime(2026, 11, 24, tzinfo=timezone(timedelta(0)))
    assert Invocation(Output(), fixed_now=fixed).now() == fixed
    before = datetime.now(UTC)
    assert Invocation(Output()).now() >= before


def test_shared_options_become_one_invocation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[Invocation] = []

    @click.command()
    @configured
    def command(call: Invocation) -> None:
        seen.append(call)

    words = ["--lake", "l", "--state", "s", "--now", "2026-11-24", "--json", "-vv"]
    with levels_of_one_command():
        command.main(words, standalone_mode=False)
    [call] = seen
    assert call.settings.need_lake().endswith("l")
    assert call.settings.need_state().name == "s"
    assert (call.out.json, call.out.verbose) == (True, 2)
    kept = call.with_settings({"flush.interval": "2s"})
    assert kept.settings.flush.interval == timedelta(seconds=2)
    assert kept.settings.need_lake() == call.settings.need_lake()


def test_quiet_and_verbose_exclude_each_other() -> None:
    @click.command()
    @reporting
    def command(call: Invocation) -> None:
        """Nothing."""

    with pytest.raises(UsageError):
        command.main(["--quiet", "-v"], standalone_mode=False)


@pytest.mark.parametrize(("words", "days", "seed"), [([], 3, 1), (["--days", "9"], 9, 1)])
def test_numbers_have_a_default_and_limits(
    words: list[str], days: int, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    @number_option("--days", 1, 9, 3, "Days.")
    @seed_option("Seed.")
    def command(days: int, seed: int) -> None:
        click.echo(json.dumps([days, seed]))

    command.main(words, standalone_mode=False)
    assert json.loads(capsys.readouterr().out) == [days, seed]
    with pytest.raises(click.BadParameter):
        command.main(["--days", "10"], standalone_mode=False)
