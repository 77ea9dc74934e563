"""The API route that a request's method and path belong to, from the catalogue.

A path is first split at `/` and then percent-decoded (RFC 3986), so an encoded slash is part of
its segment and never makes a new one. Literal segments are compared exactly; a parameter takes
any text; where both fit, the literal wins, from left to right. Query and fragment are cut off
together with their keys. Everything else is `/{unmatched}`, deliberately including

    a trailing or doubled slash     /v1/models/   //v1/models
    dot segments, also encoded      /v1/../models   /v1/%2e%2e/models
    broken percent-encoding         /v1/models/%zz   /v1/models/%ff (not UTF-8)
    an absolute URL, `*`, a relative path, a blank, backslash or control character
    a method that the route does not name; methods are exact, `get` is not `GET`

`RouteMatcher.match` is the rule, one path at a time. `match_column` gives the same answers for a
column without taking each path apart: an automaton built from the catalogue walks the
segments where they lie in the column's buffer, in the kernel or, where there is none, all rows at
once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import native
from pipeline.events.catalogue import UNMATCHED, Route
from pipeline.privacy.columns import Bools, Bytes, Codes, Distinct, pieces, text_buffers

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DOTS = (".", "..")
_NEVER = ("", *_DOTS)
"""Segments that no parameter takes. The empty one is a literal of the template `/` alone."""
_PIECE = 4 << 20
"""Bytes of paths that are processed together."""
_QUERY = r"(?s)[?#].*"
_DEAD = 0
"""State of the automaton from which no route can be reached."""


class _Node:
    """A place in the tree of templates."""

    __slots__ = ("literals", "parameter", "routes")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.routes: dict[str, int] = {}
        """Index of the template that ends here, by method."""


class _Automaton(NamedTuple):
    """The tree with its choices made in advance; state 0 is dead, 1 the start."""

    words: pa.StringArray
    """Literal segments, each with the slash before it."""
    steps: npt.NDArray[np.int32]
    """Next state by state and word; the last column is any other text."""
    ends: npt.NDArray[np.int32]
    """Template by state and method; the last column is a method without routes."""


class RouteMatcher:
    """Matches methods and paths with the routes of a catalogue."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.templates = (*dict.fromkeys(route.template for route in routes), UNMATCHED)
        """Every answer; `/{unmatched}` is the last one."""
        self._unmatched = len(self.templates) - 1
        self._methods = tuple(dict.fromkeys(route.method for route in routes))
        self._root = _Node()
        for route in routes:
            self._add(route)
        self._depth = max((len(route.segments) or 1 for route in routes), default=0)
        self._automaton = self._build()
        kernel = native.kernel()
        self._native = kernel and kernel.Routes(
            [word.encode()[1:] for word in self._automaton.words.to_pylist()],
            self._automaton.steps.tolist(),
            self._depth,
        )

    def match(self, method: str, path: str) -> str:
        """The template that the request matches, `/{unmatched}` if none does."""
        segments = path_segments(path)
        if segments is None:
            return UNMATCHED
        return self.templates[self._walk(self._root, method, segments)]

    def match_column(self, methods: Distinct, paths: pa.StringArray) -> Codes:
        """Index into `templates` for each row of a plain text column; null is unmatched."""
        known = {method: index for index, method in enumerate(self._methods)}
        of_method = np.array(
            [known.get(name, len(known)) for name in methods.values.to_pylist()] + [len(known)],
            dtype=np.int32,
        )[methods.codes]
        offsets, data = text_buffers(paths)
        if self._native is not None:
            states = np.frombuffer(self._native.run(offsets, data), dtype=np.int32)
            return self._ends(states, states < 0, of_method, offsets, data)
        found = np.empty(len(paths), dtype=np.int32)
        # Each byte of text takes some bytes of working memory: going piece by piece bounds it.
        for low, high in pieces(offsets, _PIECE):
            found[low:high] = self._match_piece(of_method[low:high], paths.slice(low, high - low))
        return found

    def _match_piece(self, of_method: Codes, paths: pa.StringArray) -> Codes:
        offsets, data = text_buffers(paths)
        if np.any((data == ord("?")) | (data == ord("#"))):
            paths = pc.replace_substring_regex(paths, _QUERY, "")
        # A path with more segments than any route matches none, however they are spelled.
        deep = pc.greater(pc.count_substring(paths, "/"), self._depth)
        if pc.any(deep).as_py():
            paths = pc.if_else(deep, "", paths)
        offsets, data = text_buffers(paths)
        slow = _unusual(offsets, data)
        return self._ends(self._run(offsets, data, slow), slow, of_method, offsets, data)

    def _ends(
        self, states: Codes, slow: Bools, of_method: Codes, offsets: Codes, data: Bytes
    ) -> Codes:
        """The template of every row by its last state; for the `slow` ones by the rule itself."""
        found = self._automaton.ends[states, of_method]
        names = (*self._methods, "")
        for row in np.flatnonzero(slow).tolist():
            segments = path_segments(data[offsets[row] : offsets[row + 1]].tobytes().decode())
            found[row] = (
                self._unmatched
                if segments is None
                else self._walk(self._root, names[of_method[row]], segments)
            )
        return found

    def _run(self, offsets: Codes, data: Bytes, slow: Bools) -> Codes:
        """State of every row after its last segment; dead for rows that are `slow`."""
        automaton = self._automaton
        slashes = np.flatnonzero(data == ord("/"))
        bounds = np.append(slashes, len(data)).astype(np.int32)
        # The segments of all rows lie end to end, each with its slash before it.
        segments = pa.StringArray.from_buffers(
            len(slashes), pa.py_buffer(bounds), pa.py_buffer(data)
        )
        other = len(automaton.words)
        codes = pc.index_in(segments, value_set=automaton.words).fill_null(other).to_numpy()
        first = np.searchsorted(slashes, offsets)
        count = np.diff(first)
        states = np.ones(len(count), dtype=np.int32)
        states[(count == 0) | (count > self._depth) | slow] = _DEAD
        for level in range(self._depth):
            here = np.flatnonzero((count > level) & (states != _DEAD))
            states[here] = automaton.steps[states[here], codes[first[here] + level]]
        return states

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.segments or ("",):
            if segment.startswith("{"):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        node.routes.setdefault(route.method, self.templates.index(route.template))

    def _walk(self, node: _Node, method: str, segments: Sequence[str]) -> int:
        if not segments:
            return node.routes.get(method, self._unmatched)
        first, rest = segments[0], segments[1:]
        literal = node.literals.get(first)
        if literal is not None:
            found = self._walk(literal, method, rest)
            if found != self._unmatched:
                return found
        if node.parameter is not None and first:
            return self._walk(node.parameter, method, rest)
        return self._unmatched

    def _build(self) -> _Automaton:
        """Follow all places that a prefix can have led to at once, best first."""
        words = dict.fromkeys(_NEVER)
        pending = [self._root]
        while pending:
            node = pending.pop()
            words |= dict.fromkeys(node.literals)
            pending += [*node.literals.values(), *([node.parameter] if node.parameter else [])]
        places: dict[tuple[_Node, ...], int] = {(): _DEAD, (self._root,): 1}
        steps: list[list[int]] = []
        order = list(places)
        for nodes in order:  # grows while it is read
            row = []
            for word in (*words, None):
                following = tuple(_next(nodes, word))
                if following not in places:
                    places[following] = len(places)
                    order.append(following)
                row.append(places[following])
            steps.append(row)
        ends = [
            [*(self._end(nodes, method) for method in self._methods), self._unmatched]
            for nodes in order
        ]
        return _Automaton(
            pa.array([f"/{word}" for word in words], pa.string()),
            np.array(steps, dtype=np.int32),
            np.array(ends, dtype=np.int32),
        )

    def _end(self, nodes: Sequence[_Node], method: str) -> int:
        found = (node.routes[method] for node in nodes if method in node.routes)
        return next(found, self._unmatched)


def path_segments(path: str) -> list[str] | None:
    """The decoded segments of a path without query and fragment; None if it has none by our rules.

    >>> path_segments("/v1/streams/a%2Fb?key=1")
    ['v1', 'streams', 'a/b']
    """
    for mark in "?#":
        path = path.partition(mark)[0]
    if not path.startswith("/") or _FORBIDDEN.search(path):
        return None
    if path == "/":
        return [""]
    segments = path[1:].split("/")
    if "%" in path:
        if _BROKEN.search(path):
            return None
        try:
            segments = [
                unquote(part, errors="strict") if "%" in part else part for part in segments
            ]
        except UnicodeDecodeError:
            return None
        if _CONTROL.search("".join(segments)):
            return None
    return None if any(segment in _NEVER for segment in segments) else segments


def _next(nodes: Sequence[_Node], word: str | None) -> list[_Node]:
    """Where a segment leads from these places; `word` is None for text that is no literal."""
    found = []
    for node in nodes:
        if word is not None and word not in _DOTS and word in node.literals:
            found.append(node.literals[word])
        if node.parameter is not None and word not in _NEVER:
            found.append(node.parameter)
    return found


def _unusual(offsets: Codes, data: Bytes) -> Bools:
    """Rows that have to be taken apart one by one."""
    slow = np.zeros(len(offsets) - 1, dtype=np.bool_)
    odd = np.flatnonzero((data <= 0x20) | (data == 0x7F) | (data == ord("%")) | (data == ord("\\")))
    slow[np.searchsorted(offsets, odd, side="right") - 1] = True
    filled = np.flatnonzero(np.diff(offsets))
    relative = data[offsets[filled]] != ord("/")
    slow[filled[relative]] = True
    # Text before a row's first slash would look like the end of the row before it.
    slow[filled[:-1][relative[1:]]] = True
    return slow
