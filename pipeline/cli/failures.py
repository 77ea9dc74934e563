"""How a failure is told: what, where, why, what to do next, and where to read more.

Nothing that a user or an event supplied is repeated. An exception that is not ours is told by its
class alone, with `--verbose` also by the places it passed: its message could hold a value.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping

import click

from pipeline.errors import TelemetryError, UsageError

DOCS = "docs/operations.md"
INTERRUPTED = 130


def told(error: TelemetryError) -> Mapping[str, str]:
    """The failure as named texts, for JSON; empty ones are left out."""
    texts = {
        "code": error.page,
        "what": error.what,
        "where": error.where,
        "why": error.why,
        "next": error.remedy,
        "docs": f"{DOCS}#{error.page}",
    }
    return {name: text for name, text in texts.items() if text}


def as_text(error: TelemetryError) -> str:
    """The failure for a person: one line for each thing to know."""
    lines = dict(told(error))
    code, what = lines.pop("code"), lines.pop("what")
    rest = [f"  {name + ':':<7}{text}" for name, text in lines.items()]
    return "\n".join([f"error[{code}]: {what}", *rest])


def as_json(error: TelemetryError) -> str:
    """The failure for a program: `{"error": {...}}` on one line."""
    return json.dumps({"error": told(error)}, ensure_ascii=False)


def unexpected(error: BaseException, *, verbose: bool) -> TelemetryError:
    """An exception that is not ours, as an error that repeats nothing of its message."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{_tail(frame.filename)}:{frame.lineno} in {frame.name}" for frame in frames]
    return TelemetryError(
        f"something went wrong that should not: {type(error).__name__}",
        where="\n         ".join(places) if verbose else "",
        remedy="Nothing half-written is visible in the lake. "
        + ("Report these places" if verbose else "Run again with --verbose and report the places"),
    )


def _tail(file: str) -> str:
    return "/".join(file.split("/")[-3:])


def usage(error: click.ClickException) -> TelemetryError:
    """A misuse of the command line, without the words that were misused.

    click's own messages repeat values (`'x@y.z' is not a valid integer`), and values may be
    account ids.
    """
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "telemetry"
    next_step = f"See {command} --help"
    if isinstance(error, click.NoSuchOption):
        near = [f"Did you mean {name}?" for name in (error.possibilities or [])[:1]]
        return _misuse(f"there is no option {error.option_name}", near, next_step, command)
    if isinstance(error, click.MissingParameter):
        return _misuse(f"{_name(error)} is missing", [], next_step, command)
    if isinstance(error, click.BadParameter):
        expected = _expected(error.param)
        return _misuse(f"{_name(error)} does not fit: expected {expected}", [], next_step, command)
    return _misuse(error.message, [], next_step, command)


def _misuse(what: str, near: list[str], next_step: str, command: str) -> TelemetryError:
    return UsageError(what, where=command, remedy=" ".join([*near, next_step]))


def _name(error: click.BadParameter) -> str:
    if error.param is None:
        return "a value"
    if isinstance(error.param, click.Option):
        return max(error.param.opts, key=len)
    return (error.param.metavar or error.param.name or "a value").upper()


def _expected(parameter: click.Parameter | None) -> str:
    kind = parameter.type if parameter else None
    if isinstance(kind, click.Choice):
        return " or ".join(str(choice) for choice in kind.choices)
    if isinstance(kind, click.IntRange):
        high = "" if kind.max is None else f" to {kind.max}"
        return f"a whole number from {kind.min}{high}"
    if isinstance(kind, click.Path):
        return "an existing, readable path" if kind.exists else "a path"
    return {"integer": "a whole number", "float": "a number"}.get(
        kind.name if kind else "", f"a {kind.name}" if kind else "another value"
    )
