"""Logging of a process: to standard error, without the text of any exception.

Messages of exceptions quote values, and libraries log exceptions. So an exception in a log record
becomes its class and the places it passed through; its text never gets out.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

FORMS = ("text", "json")
LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
BEAM = "apache_beam"
LEAST_LEVELS = {
    **dict.fromkeys(("azure", "boto3", "botocore", "google", "hvac", "msal"), logging.WARNING),
    "kafka": logging.INFO,
}
"""Clients that log whole requests and answers, with keys, logins, tokens and messages: from which
level on they are heard, whatever the verbosity."""


class WithoutMessages(logging.Formatter):
    """A formatter that shows an exception by class and places only."""

    def formatException(self, ei: object) -> str:  # noqa: N802  the name is logging's
        """The class of the exception and file:line of each frame."""
        error = ei[1] if isinstance(ei, tuple) else None
        if not isinstance(error, BaseException):
            return "exception"
        frames = traceback.extract_tb(error.__traceback__)
        places = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        return "\n".join([type(error).__name__, *places])

    def format(self, record: logging.LogRecord) -> str:
        """Format a record in which every exception is replaced by its class.

        Beam logs an exception as the message itself, and others put its text into theirs; a
        traceback that somebody else rendered before is left out.
        """
        record.exc_text = None
        record.msg, record.args = _told(record), None
        return super().format(record)


def _told(record: logging.LogRecord) -> str:
    """The record's message without the text of an exception."""
    if isinstance(record.msg, BaseException):
        return type(record.msg).__name__
    if isinstance(record.args, tuple):
        record.args = tuple(
            type(arg).__name__ if isinstance(arg, BaseException) else arg for arg in record.args
        )
    message = record.getMessage()
    error = record.exc_info[1] if record.exc_info else None
    while error is not None:
        if str(error):
            message = message.replace(str(error), type(error).__name__)
        error = error.__cause__ or error.__context__
    return message


class AsJson(WithoutMessages):
    """The same record as one JSON object on one line, for collectors of logs."""

    def format(self, record: logging.LogRecord) -> str:
        """Give time (UTC), level, logger and message, and for an exception its class and places."""
        record.exc_text = None
        record.msg, record.args = _told(record), None
        moment = datetime.fromtimestamp(record.created, UTC)
        said = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


class _ToStandardError(logging.Handler):
    """A handler that looks up standard error when it writes, like Python's own last resort."""

    def __init__(self, verbose: int) -> None:
        super().__init__()
        self._verbose = verbose

    def quieten(self) -> None:
        """From now on show what is shown without `--verbose`."""
        self._verbose = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a standard error that is gone is no reason to fail."""
        with suppress(OSError, ValueError):
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep libraries' records off the terminal: an error of ours says what there is to know.

        No verbosity shows what is below the `LEAST_LEVELS`.
        """
        library = record.name.split(".")[0]
        if record.levelno < LEAST_LEVELS.get(library, logging.NOTSET):
            return False
        return bool(library == "pipeline" or self._verbose) and bool(super().filter(record))


def set_up_logging(verbose: int, form: str = "text") -> None:
    """Send log records to standard error: our warnings; with 1 information and libraries'
    warnings; with 2 everything but what is below the `LEAST_LEVELS`. `form` is one of `FORMS`.

    Called once in every process: by the command, and by each of its workers.
    """
    handler = _ToStandardError(verbose)
    line = WithoutMessages("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(AsJson() if form == "json" else line)
    root = logging.getLogger()
    root.handlers[:] = [one for one in root.handlers if not isinstance(one, _ToStandardError)]
    root.addHandler(handler)
    root.setLevel(LEVELS[min(verbose, 2)])
    # Beam logs every type hint that it reads: only for those who ask for everything.
    logging.getLogger(BEAM).setLevel(logging.WARNING if verbose < 2 else logging.DEBUG)


@contextmanager
def levels_of_one_command() -> Iterator[None]:
    """Let a command choose its levels without leaving them to what this process does next.

    Its handler stays: a thread that is still ending may log an exception, whose text must not
    get out either.
    """
    loggers = (logging.getLogger(), logging.getLogger(BEAM))
    levels = [logger.level for logger in loggers]
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        for handler in loggers[0].handlers:
            if isinstance(handler, _ToStandardError):
                handler.quieten()
