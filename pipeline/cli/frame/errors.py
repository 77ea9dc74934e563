"""How a failure is reported: what, where, why, what to do next, and where to read more.

Nothing that a user or an event supplied is repeated. An exception that is not ours is reported
by its class alone, with `--verbose` also by the places it went through: its message could hold a
value.
"""

from __future__ import annotations

import errno
import json
import os
import traceback
from collections.abc import Mapping

import click

from pipeline.cli.frame.nearest import DESTRUCTIVE, NotListed
from pipeline.errors import EnvironmentProblem, TelemetryError, UsageError

DOCS = "docs/troubleshooting.md"
INTERRUPTED = 130


def told(error: TelemetryError) -> Mapping[str, str]:
    """The failure as named texts, for JSON; empty ones are left out."""
    texts = {
        "code": error.page,
        "what": _sentence(error.what),
        "where": error.where,
        "why": f"because {error.why}" if error.why.startswith("of ") else error.why,
        "next": error.remedy,
        "docs": f"{DOCS}#{error.page}",
    }
    return {name: text for name, text in texts.items() if text}


def _sentence(text: str) -> str:
    """Start a text with a capital, unless it starts with a name: `--event`, `lake.path`."""
    word = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if word.rstrip(",;:").isalpha() else text


def as_text(error: TelemetryError) -> str:
    """The failure for a person: one line for each thing to know."""
    lines = dict(told(error))
    code, what = lines.pop("code"), lines.pop("what")
    lines["docs"] = f"telemetry explain {code}"
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
        f"an unexpected {type(error).__name__} ended the command",
        where="\n         ".join(places) if verbose else "",
        remedy="Nothing half-written is visible in the lake. "
        + ("Report these places" if verbose else "Run again with --verbose and report the places"),
    )


_REFUSALS: Mapping[int, tuple[str, str]] = {
    errno.ENOSPC: ("no space is left on the device", "Free some space, and run it again"),
    errno.EDQUOT: ("the disk quota is used up", "Free some space, and run it again"),
    errno.EFBIG: ("the file would be larger than allowed", "Write to another file system"),
    errno.EROFS: ("the file system is read-only", "Name a path that can be written"),
    errno.EACCES: ("permission is denied", "Give this user access, or name another path"),
    errno.EPERM: ("permission is denied", "Give this user access, or name another path"),
    errno.ENOENT: ("there is no such file or folder", "Check the path"),
    errno.ENOTDIR: ("a part of the path is not a folder", "Check the path"),
    errno.EISDIR: ("it is a folder, and a file is expected", "Name a file"),
    errno.EEXIST: ("it exists already", "Name another path, or remove it first"),
    errno.ENAMETOOLONG: ("the name is too long", "Name a shorter path"),
    errno.EMFILE: ("too many files are open", "Raise the limit: ulimit -n 4096"),
    errno.ENFILE: ("too many files are open on this machine", "Close other programs"),
}
"""What the operating system refuses for a reason that a user can remove."""


def refused(error: OSError) -> TelemetryError | None:
    """Return a refusal by the operating system as our error; None for any other failure."""
    why, remedy = _REFUSALS.get(error.errno or 0, ("", ""))
    if not why:
        return None
    named = error.filename if isinstance(error.filename, str | os.PathLike) else None
    what = "a file or folder could not be used" if named else "the output could not be written"
    return EnvironmentProblem(
        what, where="" if named is None else os.fspath(named), why=why, remedy=remedy
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
        known = [name for name in error.possibilities or [] if name not in DESTRUCTIVE]
        near = [f"Did you mean {name}?" for name in known[:1]]
        return _misuse(f"there is no option {error.option_name}", near, next_step, command)
    if isinstance(error, click.MissingParameter):
        return _misuse(f"{_name(error)} is missing", [], next_step, command)
    if isinstance(error, click.BadParameter):
        expected = _expected(error.param)
        near = [error.suggestion] if isinstance(error, NotListed) and error.suggestion else []
        return _misuse(f"{_name(error)} is invalid: expected {expected}", near, next_step, command)
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
        *most, last = (str(choice) for choice in kind.choices)
        return f"{', '.join(most)} or {last}" if most else last
    if isinstance(kind, click.DateTime):
        return "a date written as YYYY-MM-DD"
    if isinstance(kind, click.IntRange):
        high = "" if kind.max is None else f" to {kind.max}"
        return f"a whole number from {kind.min}{high}"
    if isinstance(kind, click.Path):
        return "an existing, readable path" if kind.exists else "a path"
    return {"integer": "a whole number", "float": "a number"}.get(
        kind.name if kind else "", f"a {kind.name}" if kind else "another value"
    )
