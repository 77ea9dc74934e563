"""Logging of a process: to standard error, without anything that an exception has to say.

Messages of exceptions quote values, and libraries log exceptions. So an exception in a log record
becomes its class and the places it passed; its text never gets out.
"""

from __future__ import annotations

import logging
import sys
import traceback

LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


class WithoutMessages(logging.Formatter):
    """A formatter that tells an exception by class and places only."""

    def formatException(self, ei: object) -> str:  # noqa: N802  the name is logging's
        """The class of the exception and file:line of each frame."""
        error = ei[1] if isinstance(ei, tuple) else None
        if not isinstance(error, BaseException):
            return "exception"
        frames = traceback.extract_tb(error.__traceback__)
        places = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        return "\n".join([type(error).__name__, *places])

    def format(self, record: logging.LogRecord) -> str:
        """Format a record in which every exception stands as its class.

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


def set_up_logging(verbose: int) -> None:
    """Send log records to standard error: warnings, with 1 also information, with 2 all.

    Called once in every process: by the command, and by each of its workers.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(WithoutMessages("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[min(verbose, 2)])
    # Beam tells of every type hint that it reads: only for who asks for everything.
    logging.getLogger("apache_beam").setLevel(logging.WARNING if verbose < 2 else logging.DEBUG)
