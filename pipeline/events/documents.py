"""Strict reading of the YAML files that declare events and closed lists.

YAML 1.1 reads `NO` as false, `010` as eight, `1:30` as ninety and `2024-01-01` as a date, keeps
the last of two equal keys, and lets a small file expand to gigabytes through aliases. A file
that decides what may be stored must not be read that way: here plain words are text, only
`true`, `false` and decimal integers are anything else, and every other surprise is refused with
its line number. These files belong to the project, so messages may quote them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

import yaml

from pipeline.errors import SchemaError

_SURPRISES = re.compile(
    r"(?:y|n|yes|no|on|off|null|~)"
    r"|[-+]?0[0-9_]+|[-+]?0[xob][0-9a-f_]+|[-+]?[0-9][0-9_]*(?::[0-9]+)+(?:\.[0-9]*)?"
    r"|[-+]?[0-9]+_[0-9_]*|\+[0-9]+"
    r"|[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=e))(?:e[-+]?[0-9]+)?|[-+]?\.(?:inf|nan)|\.nan"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*",
    re.IGNORECASE,
)
"""Plain words that some YAML reader takes for something other than text."""

_UNREAD = frozenset("&*!")
"""What anchors, aliases and tags begin with."""

_DEEPEST = 32
"""Levels of nesting: libyaml calls itself for each, and overflows the stack at some thousands."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_BOOLEAN = {"true": True, "false": False}


class _Loader(yaml.CSafeLoader):  # libyaml's, in C: the one in Python takes a second for all files
    """A loader that resolves plain scalars by the rules of this module alone."""


_Loader.yaml_implicit_resolvers = {}


def _line(item: yaml.Node | yaml.Event) -> int:
    mark = item.start_mark
    return 0 if mark is None else int(mark.line) + 1


def _plain(node: yaml.Node, where: str) -> object:
    """The node's value as dict, list, str, int or bool."""
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, where)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, where) for item in node.value]
    text = str(node.value)
    if isinstance(node, yaml.ScalarNode) and node.style:  # quoted, or a block
        return text
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if text == "" or _SURPRISES.fullmatch(text):
        raise SchemaError(
            "a value is empty or would not be read as text by every YAML reader",
            where=f"{where}:{_line(node)}",
            remedy='Write it in double quotes, for example "NO"',
        )
    return text


def _mapping(node: yaml.MappingNode, where: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for key_node, value_node in node.value:
        key = _plain(key_node, where)
        here = f"{where}:{_line(key_node)}"
        if not isinstance(key, str):
            raise SchemaError("a key is not text", where=here, remedy="Write it in double quotes")
        if key in found:
            raise SchemaError(
                f"the key {key!r} is duplicated", where=here, remedy="Keep one of them"
            )
        found[key] = _plain(value_node, where)
    return found


def read_document(text: str, where: str) -> Section:
    """Parse one YAML document whose top level is a mapping.

    Raises `SchemaError` naming `where` and the line for anything that is not plain mappings,
    sequences, text, decimal integers, `true` and `false`.
    """
    return Section(_read(text, where), where)


@lru_cache(maxsize=128)  # a run reads the packaged files several times
def _read(text: str, where: str) -> Mapping[str, object]:
    try:
        if _UNREAD.intersection(text) or _may_be_deep(text):
            _refuse_unread(text, where)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f":{mark.line + 1}"
        raise SchemaError(
            "the file is not one YAML document",
            where=f"{where}{line}",
            why=str(getattr(error, "problem", "")) or "",
            remedy="Check indentation, colons and quotes near that line",
        ) from None
    if not isinstance(node, yaml.MappingNode):
        raise SchemaError("the file has no keys at its top level", where=where)
    return _mapping(node, where)


def _may_be_deep(text: str) -> bool:
    """Whether a text has the marks for so many levels at all; most texts do not."""
    indented = max(len(line) - len(line.lstrip(" -?:")) for line in text.split("\n"))
    return max(text.count("[") + text.count("{"), indented) >= _DEEPEST


def _refuse_unread(text: str, where: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise SchemaError(
                "the file is nested too deeply",
                where=f"{where}:{_line(event)}",
                remedy=f"Write at most {_DEEPEST} levels",
            )
        anchor = getattr(event, "anchor", None)
        tag = getattr(event, "tag", None)
        if anchor is not None or tag is not None:
            raise SchemaError(
                "anchors, aliases and tags are not read here",
                where=f"{where}:{_line(event)}",
                remedy="Write the value out",
            )


class Section:
    """One mapping of a document; each key is taken once and `close` refuses the rest."""

    def __init__(self, values: Mapping[str, object], where: str) -> None:
        self._values = dict(values)
        self._known: list[str] = []
        self.where = where

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def _take(self, key: str) -> object:
        self._known.append(key)
        if key not in self._values:
            raise SchemaError(
                f"{key!r} is missing", where=self.where, remedy=f"Add a line `{key}: ...`"
            )
        return self._values.pop(key)

    def refuse(self, what: str, remedy: str = "") -> SchemaError:
        """An error about this section, for the caller to raise."""
        return SchemaError(what, where=self.where, remedy=remedy)

    def text(self, key: str, default: str | None = None) -> str:
        """Take a text that is not empty."""
        if default is not None and key not in self._values:
            self._known.append(key)
            return default
        value = self._take(key)
        if not isinstance(value, str) or not value.strip():
            raise self.refuse(f"{key!r} is not a text", "Write some words, quoted if in doubt")
        return value.strip()

    def integer(self, key: str, default: int | None = None) -> int:
        """Take a decimal integer."""
        if default is not None and key not in self._values:
            self._known.append(key)
            return default
        value = self._take(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse(f"{key!r} is not an integer", "Write decimal digits without quotes")
        return value

    def flag(self, key: str, default: bool | None = None) -> bool:
        """Take `true` or `false`."""
        if default is not None and key not in self._values:
            self._known.append(key)
            return default
        value = self._take(key)
        if not isinstance(value, bool):
            raise self.refuse(f"{key!r} is neither true nor false", "Write `true` or `false`")
        return value

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Take a list of distinct texts, possibly empty."""
        if default is not None and key not in self._values:
            self._known.append(key)
            return default
        value = self._take(key)
        if not isinstance(value, list):
            raise self.refuse(f"{key!r} is not a list", "Write `- item` lines or [a, b]")
        items: list[str] = []
        for item in value:
            if not isinstance(item, str) or not item or item != item.strip():
                raise self.refuse(
                    f"{key!r} holds something other than text without outer spaces",
                    "Write numbers and reserved words in double quotes",
                )
            if item in items:
                raise self.refuse(f"{key!r} names {item!r} twice", "Keep one of them")
            items.append(item)
        return tuple(items)

    def texts_or_text(self, key: str) -> tuple[str, ...]:
        """Take one text, or a list of texts that may repeat or be empty."""
        value = self._take(key)
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list):
            raise self.refuse(f"{key!r} is not a text or a list of texts", "Write one or several")
        found: list[str] = []
        for item in items:
            if not isinstance(item, str):
                raise self.refuse(f"{key!r} holds something other than text", "Write it in quotes")
            found.append(item)
        return tuple(found)

    def sections(self, key: str) -> Iterator[tuple[str, Section]]:
        """Take a mapping of names to mappings."""
        value = self._take(key)
        if not isinstance(value, dict):
            raise self.refuse(f"{key!r} is not a mapping", "Write `name:` lines below it")
        for name, inner in value.items():
            here = f"{self.where}: {name}"
            if not isinstance(inner, dict):
                raise SchemaError(f"{name!r} is not a mapping", where=self.where)
            yield name, Section(inner, here)

    def items(self, key: str) -> Iterator[Section]:
        """Take a list of mappings, possibly empty."""
        value = self._take(key)
        if not isinstance(value, list):
            raise self.refuse(
                f"{key!r} is not a list", "Write `- key: value` lines, or [] for none"
            )
        for number, inner in enumerate(value, start=1):
            here = f"{self.where}: {key}[{number}]"
            if not isinstance(inner, dict):
                raise SchemaError("an item is not a mapping", where=here)
            yield Section(inner, here)

    def close(self) -> None:
        """Refuse keys that nobody took."""
        for key in self._values:
            raise self.refuse(
                f"the key {key!r} is not known", f"Remove it{suggest(key, self._known)}"
            )


def suggest(word: str, known: Iterable[str]) -> str:
    """`, or did you mean 'x'?` for the nearest known word, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", or did you mean {near[0]!r}?" if near else ""
