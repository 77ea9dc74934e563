"""Failures of the machine, in our own words: what is wrong, and what to do about it.

Libraries put paths, payloads and stack traces into their messages, so no message of theirs is
passed on: a failure is reported by its errno alone.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import EnvironmentProblem

_OS_ERROR = re.compile(r"(?:os error |errno )(\d{1,3})", re.IGNORECASE)

_REMEDIES = {
    errno.ENOSPC: "Free some space; the run continues where it stopped, nothing was lost.",
    errno.EDQUOT: "Raise the quota or free some space; the run continues where it stopped.",
    errno.EACCES: "Give the account that runs this command the right to read and write there.",
    errno.EPERM: "Give the account that runs this command the right to read and write there.",
    errno.EROFS: "Mount it writable, or name another folder.",
    errno.ENOTDIR: "A file stands where a folder is needed: move it away or name another folder.",
    errno.EISDIR: "A folder stands where a file is needed: move it away or name another place.",
    errno.EMFILE: "Raise the limit of open files (ulimit -n).",
    errno.EIO: "Check the disk: the machine could not read or write it.",
}


def errno_of(error: BaseException) -> int | None:
    """Return the operating system's number for a failure, also where a library hid it in text."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = _OS_ERROR.search(str(error))
    return int(found.group(1)) if found else None


def environment_problem(error: BaseException, what: str, where: str) -> EnvironmentProblem | None:
    """Return the problem with the machine that `error` tells of, or None if it tells of none."""
    number = errno_of(error)
    if number not in _REMEDIES:
        return None
    return EnvironmentProblem(
        what, where=where, why=os.strerror(number).lower(), remedy=_REMEDIES[number]
    )


def folder_problem(error: OSError, what: str, where: str) -> EnvironmentProblem:
    """Return any failure of a local file or folder as a problem, with what the system said."""
    reason = os.strerror(error.errno).lower() if error.errno else "the system refused it"
    return environment_problem(error, what, where) or EnvironmentProblem(
        what, where=where, why=reason, remedy="Check that the path exists and can be written."
    )


@contextmanager
def state_faults(what: str, where: str) -> Iterator[None]:
    """Raise failures of a local folder as an `EnvironmentProblem`."""
    try:
        yield
    except OSError as error:
        raise folder_problem(error, what, where) from None
