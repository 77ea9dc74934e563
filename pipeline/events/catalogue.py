"""The closed lists that stored text may come from, and the routes of the API.

A value that is not in its list is never stored: it becomes the list's fallback. Operators
replace the YAML files in `schemas/catalogue/` without touching code; the lists that the privacy
rules fix (`FIXED`) are not theirs to change and are defined here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.errors import SchemaError
from pipeline.events.documents import Section, read_document

FIXED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "account_ages": ("0-6", "7-29", "30-89", "90+"),
        "device_classes": ("desktop", "mobile", "tablet", "tv", "bot", "library", "other"),
        "ip_classes": (
            "public",
            "private",
            "cgnat",
            "loopback",
            "link_local",
            "unique_local",
            "documentation",
            "benchmarking",
            "multicast",
            "reserved",
            "tunnel_teredo",
            "invalid",
            "missing",
        ),
        "referrer_classes": ("none", "own", "search", "social", "docs", "other", "invalid"),
    }
)
"""Lists whose meaning is code."""

_SHAPED = ("routes", "clients", "os_families", "referrers")
"""Files that are more than a list of texts. Every other file `<name>.yaml` is a plain list: the key
`<name>` and its values, nothing else. A schema that names a list requires its file."""
_METHODS = "methods"
"""The plain list that the routes file needs."""

REDUCTIONS = frozenset({"agent", "common_agent", "route", "referrer", "age", "minor"})
"""Words that mean something else in `generalize[...]`; no list may have such a name."""

UNMATCHED = "/{unmatched}"
OTHER = "other"
UNREGISTERED = "unregistered"

_REFERRER_KINDS = ("own", "search", "social", "docs")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/+-]{0,63}")
_MAJORS = re.compile(r"([0-9]{1,3})(?:-([0-9]{1,3}))?")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{1,62}")
_LITERAL = re.compile(r"[A-Za-z0-9._~-]{1,64}(?::[A-Za-z]{1,32})?")
_PARAMETER = re.compile(r"\{[a-z][a-z0-9_]{0,31}\}")


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API: method and path segments, a segment `{name}` being any text."""

    method: str
    template: str

    @property
    def segments(self) -> tuple[str, ...]:
        """The template's segments; `/` has none."""
        return tuple(self.template[1:].split("/")) if self.template != "/" else ()


@dataclass(frozen=True, slots=True)
class Client:
    """A client family: how a user agent shows it, and what device it implies."""

    name: str
    prefixes: tuple[str, ...]
    """The user agent starts with one of these, followed by the version; tried before parsing."""
    parsed: tuple[str, ...]
    """Names under which the user agent parser reports it."""
    contains: tuple[str, ...]
    """Words that show it wherever they occur; tried after the prefixes, before parsing."""
    majors: frozenset[int]
    """Major versions that many people use: a rare one would single people out."""
    device: str | None
    """`library` or `bot` where the family alone decides the device class."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All closed lists. Values are matched exactly, byte for byte."""

    lists: Mapping[str, tuple[str, ...]]
    """Values by list name, without fallbacks."""
    plain: frozenset[str]
    """Names of the lists that a value can be looked up in directly."""
    routes: tuple[Route, ...]
    clients: tuple[Client, ...]
    os_names: Mapping[str, str]
    """What the user agent parser calls an operating system -> our family."""
    referrer_domains: Mapping[str, tuple[str, ...]]
    """own, search, social, docs -> domains; a sub-domain belongs to its domain's class."""

    def values(self, name: str) -> tuple[str, ...]:
        """The list's values without its fallback; KeyError for an unknown name."""
        return self.lists[name]

    def fallback(self, name: str) -> str:
        """What stands for a value outside the list."""
        return {"error_codes": UNREGISTERED, "routes": UNMATCHED}.get(name, OTHER)

    def storable(self, name: str) -> frozenset[str]:
        """Every text that a column of this list may hold: the values and the fallback."""
        if name in FIXED:
            return frozenset(self.lists[name])
        return frozenset((*self.lists[name], self.fallback(name)))


def parse_catalogue(texts: Mapping[str, str]) -> Catalogue:
    """Parse catalogue files, given as file stem -> YAML text.

    Needs `routes`, `methods`, `clients`, `os_families` and `referrers`; every other file is a plain
    list. Raises `SchemaError` naming the file and the remedy for a missing file, the name of a
    list that does not exist, an unknown key, or a value that is duplicated, that does not look
    like a catalogue value, or that is a fallback.
    """
    for name in (*_SHAPED, _METHODS):
        if name not in texts:
            raise SchemaError(
                "a catalogue file is missing",
                where=f"catalogue/{name}.yaml",
                remedy="Copy it from the packaged catalogue and adapt it",
            )
    plain = frozenset(texts) - frozenset(_SHAPED)
    for name in plain:
        if name in FIXED or name in REDUCTIONS or not _NAME.fullmatch(name):
            raise SchemaError(
                "this name cannot be the name of a list",
                where=f"catalogue/{name}.yaml",
                remedy="Use another one in snake_case; this one is taken or has other characters",
            )
    documents = {
        name: read_document(text, f"catalogue/{name}.yaml") for name, text in texts.items()
    }
    lists = {name: _values(documents[name], name) for name in sorted(plain)}
    routes = tuple(_routes(documents["routes"], lists[_METHODS]))
    clients = tuple(_clients(documents["clients"]))
    os_names = _os_names(documents["os_families"])
    domains = _domains(documents["referrers"])
    for document in documents.values():
        document.close()
    lists |= FIXED
    lists["routes"] = tuple(dict.fromkeys(route.template for route in routes))
    lists["clients"] = tuple(client.name for client in clients)
    lists["os_families"] = tuple(dict.fromkeys(os_names.values()))
    return Catalogue(
        MappingProxyType(lists),
        plain,
        routes,
        clients,
        MappingProxyType(os_names),
        MappingProxyType(domains),
    )


def _checked(section: Section, value: str) -> str:
    if not _VALUE.fullmatch(value):
        raise section.refuse(
            f"{value!r} does not look like a catalogue value",
            "Use 1-64 letters, digits, spaces and ._/+- and begin with a letter or digit",
        )
    if value in (OTHER, UNREGISTERED):
        raise section.refuse(
            f"{value!r} stands for values outside the list", "Remove it; it is always there"
        )
    return value


def _values(document: Section, name: str) -> tuple[str, ...]:
    values = tuple(_checked(document, value) for value in document.texts(name))
    if not values:
        raise document.refuse(f"{name!r} is empty", "Name at least one value")
    return values


def _routes(document: Section, methods: tuple[str, ...]) -> Iterator[Route]:
    shapes: set[tuple[str, ...]] = set()
    for item in document.texts("routes"):
        method, _, template = item.partition(" ")
        if method not in methods:
            raise document.refuse(
                f"the method of {item!r} is not in methods.yaml", "Write `METHOD /path/{parameter}`"
            )
        route = Route(method, template)
        good = template.startswith("/") and all(
            _LITERAL.fullmatch(part) or _PARAMETER.fullmatch(part) for part in route.segments
        )
        if not good:
            raise document.refuse(
                f"the path of {item!r} is not a template",
                "Write literal segments and whole segments in braces: /v1/streams/{stream}",
            )
        shape = (method, *("{}" if part.startswith("{") else part for part in route.segments))
        if shape in shapes:
            raise document.refuse(f"{item!r} matches the same paths as an earlier route")
        shapes.add(shape)
        yield route


def _clients(document: Section) -> Iterator[Client]:
    taken: set[str] = set()
    for name, section in document.sections("clients"):
        prefixes = section.texts("prefixes", default=())
        parsed = section.texts("parsed", default=())
        contains = section.texts("contains", default=())
        majors = frozenset(_majors(section))
        device = section.text("device") if "device" in section else None
        section.close()
        if not prefixes and not parsed and not contains:
            raise section.refuse(
                "nothing shows this client", "Add `prefixes`, `contains` or `parsed`"
            )
        if device not in (None, "library", "bot"):
            raise section.refuse("the device is not library or bot", "Correct or remove it")
        for text in (*prefixes, *contains, *parsed):
            if text in taken:
                raise section.refuse(f"{text!r} already shows another client")
            taken.add(text)
        yield Client(_checked(section, name), prefixes, parsed, contains, majors, device)


def _majors(section: Section) -> Iterator[int]:
    """The versions that `majors` names: "27" or "145-154"."""
    for text in section.texts("majors", default=()):
        match = _MAJORS.fullmatch(text)
        if match is None or int(match[1]) > int(match[2] or match[1]):
            raise section.refuse(
                f"{text!r} is no major version", 'Write "27", or "145-154" for a range'
            )
        yield from range(int(match[1]), int(match[2] or match[1]) + 1)


def _os_names(document: Section) -> dict[str, str]:
    names: dict[str, str] = {}
    for family, section in document.sections("os_families"):
        for parsed in section.texts("parsed"):
            if parsed in names:
                raise section.refuse(f"{parsed!r} already belongs to {names[parsed]!r}")
            names[parsed] = _checked(section, family)
        section.close()
    return names


def _domains(document: Section) -> dict[str, tuple[str, ...]]:
    domains: dict[str, tuple[str, ...]] = {}
    seen: set[str] = set()
    for kind in _REFERRER_KINDS:
        domains[kind] = document.texts(kind)
        for domain in domains[kind]:
            if not _DOMAIN.fullmatch(domain):
                raise document.refuse(
                    f"{domain!r} is not a domain", "Write it in lower case, punycode, without port"
                )
            if domain in seen:
                raise document.refuse(f"{domain!r} is in two classes")
            seen.add(domain)
    return domains
