"""Account ids given to a command: as arguments or on standard input, never echoed.

What no event can carry is refused before anything is done, in the same way for every command: an
id that is empty, longer than 256 bytes, holds a NUL or is not UTF-8. A byte order mark and CRLF,
which editors and spreadsheets add, are not part of an id.
"""

from __future__ import annotations

import codecs
import sys
from collections.abc import Sequence

from pipeline.errors import UsageError
from pipeline.privacy.identity.tokens import check_identifier

FROM_INPUT = "-"


def read_accounts(ids: Sequence[str]) -> list[str]:
    """The ids, from the arguments or from standard input (one per line); each once, in order.

    Raises UsageError for an id that no event can carry; it does not show it.
    """
    given = list(ids)
    if FROM_INPUT in given:
        if given != [FROM_INPUT]:
            raise UsageError("- stands for all ids", remedy="Give ids as words, or - alone")
        given = [line for line in _lines_of_input() if line]
    if not given:
        raise UsageError("there is no account id", remedy="Give ids, one a line on standard input")
    for account in given:
        check_identifier(account)
    return list(dict.fromkeys(given))


def _lines_of_input() -> list[str]:
    """The lines of standard input, without byte order mark and line ends."""
    stream = getattr(sys.stdin, "buffer", None)
    content: bytes = (
        stream.read() if stream is not None else sys.stdin.read().encode("utf-8", "surrogateescape")
    )
    try:
        text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(
            "standard input is not text",
            remedy="Give ids in UTF-8, one a line; a spreadsheet's UTF-16 has to be converted",
        ) from None
    return [line.removesuffix("\r") for line in text.split("\n")]
