"""Templates of routes for the paths of a sample, without any text that could be somebody's name.

A catalogue is copied, reviewed and published, and every row may hold its routes: so a closed list
of words (`schemas/route_words.yaml`) decides what goes into a template, not how often a segment was
seen. A popular profile is seen by everybody, and is still a person. A segment that is not such a
word becomes a parameter where it follows one (`/users/{user}`); anywhere else the path gets no
template. Templates with few answered requests are left out, too: they are typing errors and
scanners.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.events.catalogue import Route
from pipeline.events.documents import read_document
from pipeline.io.package_data import packaged_text
from pipeline.privacy.values.routes import path_segments

WORDS = "route_words.yaml"

MIN_ANSWERS = 3
"""A template with fewer answered requests is left out."""
MIN_CALLERS = 5
"""A compound word (`reset-password`) could be somebody's own: so many people must have used it."""
MOST_ROUTES = 200
MOST_PARTS = 3
_FAILED = 400

_VERSION = re.compile(r"v[0-9]{1,2}(?:\.[0-9])?")
_PARTS = re.compile(r"[A-Z]?[a-z]+|[-_.]")
_SEPARATORS = "-_."


@dataclass(frozen=True, slots=True, repr=False)
class LoggedRequest:
    """What a line says about one request. Holds identifiers; never shown."""

    method: str | None
    path: str | None
    status: int | None
    caller: str | None


@dataclass(frozen=True, slots=True)
class RouteWords:
    """The closed list of words."""

    prefixes: frozenset[str]
    words: frozenset[str]


def packaged_words() -> RouteWords:
    """Read the packaged list."""
    document = read_document(packaged_text(WORDS), WORDS)
    found = RouteWords(frozenset(document.texts("prefixes")), frozenset(document.texts("words")))
    document.close()
    return found


def propose_routes(
    requests: Iterable[LoggedRequest], words: RouteWords, methods: Sequence[str]
) -> tuple[Route, ...]:
    """Templates for the requests of a sample, in the order of their paths."""
    seen = [
        (request, segments)
        for request in requests
        if request.path is not None and (segments := path_segments(request.path)) is not None
    ]
    callers: dict[str, set[str]] = defaultdict(set)
    for request, segments in seen:
        for segment in segments:
            if request.caller is not None:
                callers[segment].add(request.caller)
    compounds = {segment for segment, by in callers.items() if len(by) >= MIN_CALLERS}
    answers: Counter[tuple[str, str]] = Counter()
    for request, segments in seen:
        template = template_of(segments, words, compounds)
        failed = request.status is not None and request.status >= _FAILED
        if template is not None and request.method in methods and not failed:
            answers[template, str(request.method)] += 1
    common = [shape for shape, count in answers.most_common(MOST_ROUTES) if count >= MIN_ANSWERS]
    return tuple(Route(method, template) for template, method in sorted(common))


def template_of(
    segments: Sequence[str], words: RouteWords, compounds: Iterable[str] = ()
) -> str | None:
    """The template of a path's segments; None if one of them cannot be part of a template.

    >>> listed = RouteWords(frozenset({"api"}), frozenset({"users", "orders"}))
    >>> template_of(["api", "users", "alice", "orders"], listed)
    '/api/users/{user}/orders'
    >>> template_of(["api", "alice"], listed) is None
    True
    """
    if list(segments) == [""]:
        return "/"
    made: list[str] = []
    collection = ""
    for segment in segments:
        if segment in words.prefixes or _VERSION.fullmatch(segment):
            made.append(segment)
            collection = ""
        elif _is_named(segment, words, compounds):
            made.append(segment)
            collection = segment
        elif collection:
            made.append(_parameter(collection, made))
            collection = ""
        else:
            return None
    return "/" + "/".join(made)


def _is_named(segment: str, words: RouteWords, compounds: Iterable[str]) -> bool:
    """Whether a segment is a word of the list, or a compound of a few that many people used."""
    if segment in words.words:
        return True
    parts = _PARTS.findall(segment)
    if "".join(parts) != segment or {segment[:1], segment[-1:]} & set(_SEPARATORS):
        return False
    spoken = [part.lower() for part in parts if part not in _SEPARATORS]
    known = all(part in words.words for part in spoken)
    return known and 0 < len(spoken) <= MOST_PARTS and segment in compounds


def _parameter(collection: str, made: Sequence[str]) -> str:
    """A name for the item of a collection: `{user}` after `users`, `{user_2}` after another one."""
    last = [part for part in _PARTS.findall(collection) if part not in _SEPARATORS][-1].lower()
    name = _singular(last)
    names = [f"{{{name}}}", *(f"{{{name}_{number}}}" for number in range(2, len(made) + 2))]
    return next(one for one in names if one not in made)


def _singular(word: str) -> str:
    for ending, other in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("xes", "x")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word.removesuffix(ending) + other
    return (
        word.removesuffix("s") if word.endswith("s") and not word.endswith(("ss", "us")) else word
    )
