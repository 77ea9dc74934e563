"""Where in a TOML file each setting is written: the standard library's parser does not say.

A statement is read line by line until it is whole, below the last header, so that strings and
lists of several lines count from their first one. Only for messages: values come from the parser.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping

from pipeline.parsing import parse_toml

Place = tuple[str, ...]


def lines_of(text: str) -> Mapping[Place, int]:
    """The line, from 1 on, of every section and setting of a file that is TOML.

    >>> lines_of('[lake]\\npath = "a"\\n')
    {('lake',): 1, ('lake', 'path'): 2}
    """
    found: dict[Place, int] = {}
    header, statement, first = "", "", 1
    for number, line in enumerate(text.split("\n"), start=1):
        statement += f"{line}\n"
        is_header = statement.lstrip().startswith("[")
        try:
            document = parse_toml(statement if is_header else header + statement)
        except tomllib.TOMLDecodeError:
            continue
        for place in _places(document, ()):
            found.setdefault(place, first)
        if is_header:
            header = statement
        statement, first = "", number + 1
    return found


def _places(document: Mapping[str, object], above: Place) -> Iterator[Place]:
    for name, value in document.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from _places(value, (*above, name))
