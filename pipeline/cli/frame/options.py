"""Options that commands share, and what they become: one `Invocation` for each command.

    @click.command()
    @configured
    def command(call: Invocation) -> int: ...

`reporting` adds `--json`, `--quiet` and `--verbose`; `configured` adds those and `--config`,
`--lake`, `--state` and `--now`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from pipeline.cli.declared import load_settings
from pipeline.cli.frame.lineage import lineage
from pipeline.cli.frame.logs import FORMS, set_up_logging
from pipeline.cli.frame.nearest import Closed
from pipeline.cli.frame.output import Output
from pipeline.errors import UsageError
from pipeline.settings import Settings

Decorated = Callable[..., Any]
Flags = Mapping[str, str | None]
"""Values of flags, by dotted name of the setting; None means not given."""


def now_utc() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Invocation:
    """What every command gets: where to print, the settings, and the clock."""

    out: Output
    settings: Settings = field(default_factory=Settings)
    config: Path | None = None
    fixed_now: datetime | None = None
    """The time given by `--now`, if one was."""

    def now(self) -> datetime:
        """The time that counts as now, in UTC."""
        return self.fixed_now or now_utc()

    def with_settings(self, flags: Mapping[str, object]) -> Invocation:
        """The same with more flags, by dotted name of the setting; None means not given."""
        lake, state = self.settings.lake.path, self.settings.state.path
        base = {"lake.path": lake, "state.path": None if state is None else str(state)}
        return replace(self, settings=load_settings(self.config, {**base, **flags}))


def read_time(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> datetime | None:
    """A time, RFC 3339; one without zone is UTC, like every time in this program."""
    del parameter
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if moment is None:
        raise UsageError(
            "a time is invalid",
            where=context.command_path,
            why="expected RFC 3339",
            remedy="Write it as 2026-11-24T12:00:00Z",
        )
    return moment.astimezone(UTC)


def number_option(
    name: str, low: int, high: int | None, default: int | None, text: str
) -> Callable[[Decorated], Decorated]:
    """Return an option that takes a whole number from `low` to `high`."""
    return click.option(
        name,
        type=click.IntRange(low, high),
        metavar="N",
        default=default,
        show_default=default is not None,
        help=text,
    )


def seed_option(text: str) -> Callable[[Decorated], Decorated]:
    """Return the option `--seed` of commands that generate events."""
    return number_option("--seed", 0, None, 1, text)


_REPORTING = (
    click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
    click.option("--quiet", "-q", is_flag=True, help="Print no messages, only the result."),
    click.option("--verbose", "-v", count=True, help="Print more about what is done; twice: all."),
    click.option(
        "--log-format",
        "log_form",
        type=Closed(FORMS),
        default="text",
        show_default=True,
        help="How log lines are written to standard error.",
    ),
)

_CONFIGURED = (
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        help="Settings file.  [default: telemetry.toml, if there is one]",
    ),
    click.option("--lake", help="Folder or object store URL of the lake."),
    click.option("--state", help="Private folder: keys, opt-out list, requests, receipts."),
    click.option(
        "--now", callback=read_time, metavar="TIME", help="Take this as the current time."
    ),
)


def check_envelope(envelope: str | None, format_: str | None) -> None:
    """Refuse `--envelope` without `--format`. Raises UsageError."""
    if envelope is not None and format_ is None:
        raise UsageError(
            "--envelope applies to the lines of a format",
            remedy="Add --format NAME, or leave it out",
        )


def _with(options: tuple[Callable[[Decorated], Decorated], ...], command: Decorated) -> Decorated:
    for option in reversed(options):
        command = option(command)
    return command


def reporting(command: Decorated) -> Decorated:
    """Add `--json`, `--quiet`, `--verbose`; the command gets an `Invocation` without settings."""

    @functools.wraps(command)
    def wrapped(
        *args: Any, as_json: bool, quiet: bool, verbose: int, log_form: str, **options: Any
    ) -> Any:
        call = Invocation(_output(as_json, quiet, verbose, log_form))
        return command(call, *args, **options)

    return _with(_REPORTING, wrapped)


def configured(command: Decorated) -> Decorated:
    """Add the shared options; the command gets an `Invocation` with settings and clock."""

    def called(call: Invocation, flags: Flags, **options: Any) -> Any:
        ready = replace(call, settings=load_settings(call.config, flags))
        with lineage(ready.settings) as ended:
            code = command(ready, **options)
            ended(code)
        return code

    return _with_places(command, called)


def unread_settings(command: Decorated) -> Decorated:
    """Add the shared options; the command gets the flags by dotted name and reads the rest itself.

    For commands about settings that may be invalid.
    """
    return _with_places(command, command)


def _with_places(command: Decorated, called: Decorated) -> Decorated:
    """Add the shared options to a command, of which `called` is what they are handed to."""

    @functools.wraps(command)
    def wrapped(
        *,
        config: Path | None,
        lake: str | None,
        state: str | None,
        now: datetime | None,
        as_json: bool,
        quiet: bool,
        verbose: int,
        log_form: str,
        **options: Any,
    ) -> Any:
        out = _output(as_json, quiet, verbose, log_form)
        call = Invocation(out, config=config, fixed_now=now)
        return called(call, {"lake.path": lake, "state.path": state}, **options)

    return _with((*_CONFIGURED, *_REPORTING), wrapped)


def _output(as_json: bool, quiet: bool, verbose: int, log_form: str) -> Output:
    if quiet and verbose:
        raise UsageError("--quiet and --verbose exclude each other", remedy="Give one of them")
    set_up_logging(verbose, log_form)
    return Output(json=as_json, quiet=quiet, verbose=verbose, log_form=log_form)
