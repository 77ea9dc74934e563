"""User agents reduced to a client family, its major version, a system and a device class.

Every answer is from a closed list: what a parser calls the family of an unknown agent is that
agent's own text. The agent is cut to 512 bytes. The catalogue recognises our SDKs, HTTP libraries
and probes by how the text begins, scanners and crawlers by words in it. Everything else is
parsed by ua-parser's Rust backend, whose patterns are linear in the text. A program that calls the
API is a library, not a bot, whatever the parser takes it for.

Parsing takes 50 microseconds, so a flood of agents that all differ would slow a slice down
twentyfold. `AgentReader` therefore parses a bounded number of new agents in a slice, the most
frequent first; the others are classified by the catalogue's prefixes and words alone, and counted.

The device class is the first of these that holds:

    library, bot   the catalogue says so of the client
    bot            the parser takes it for a spider, or the browser is headless
    tv             the text names a television, its system or a set-top device
    tablet         it names an iPad or a tablet (but not a Tablet PC), or Android without `Mobile`
    mobile         it names an iPhone, an iPod, Windows Phone or `Mobile`
    desktop        it names Windows NT, Macintosh, X11, CrOS or Linux
    other
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from pipeline.events.catalogue import OTHER, Catalogue, Client
from pipeline.privacy.columns import Ints
from pipeline.privacy.memo import Memo

if TYPE_CHECKING:
    from ua_parser.core import PartialResult

LIMIT = 512
"""Bytes of an agent that are read."""
MEMO_AGENTS = 8_192
"""Agents that are cached; one can be 2 KiB long, so this bounds a worker's memory."""
NEW_AGENTS = 256
ROWS_PER_NEW_AGENT = 64
"""This many new agents of a batch are parsed, and one more for every so many rows."""

_MAJOR = re.compile(r"[0-9]{1,3}(?![0-9])", re.ASCII)
_TV = re.compile(
    r"\b(?:smart-?tv|apple ?tv[0-9,]*|google ?tv|android ?tv|hbbtv|netcast|web0s|webos|crkey"
    r"|bravia|roku|tv safari|opera tv|aft[a-z0-9]{1,6}|chromecast)\b",
    re.ASCII | re.IGNORECASE,
)
_TABLET = re.compile(
    r"\b(?:ipad|tablet(?! pc)|kindle|playbook)\b|\bandroid\b(?!.*\bmobile\b)",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_MOBILE = re.compile(r"\b(?:mobile|iphone|ipod|windows phone|android)\b", re.ASCII | re.IGNORECASE)
_DESKTOP = re.compile(r"\b(?:Windows NT|Macintosh|X11|CrOS|Linux)\b", re.ASCII)
_HEADLESS = frozenset({"HeadlessChrome", "PhantomJS"})
_SPIDER = "Spider"
_TV_BRAND = "Generic_Inettv"


class Agent(NamedTuple):
    """What is kept of a user agent."""

    family: str
    major: int | None
    system: str
    device: str
    common: bool = False
    """Whether the catalogue lists the major version as common."""


UNREADABLE_AGENT = Agent(OTHER, None, OTHER, OTHER)
"""Stands for an agent that was there but is not text."""


class AgentParser:
    """Reduces user agents by a catalogue. Building one takes a tenth of a second."""

    __slots__ = ("_clients", "_domains", "_prefixes", "_resolver", "_systems", "_words")

    def __init__(self, catalogue: Catalogue) -> None:
        # Imported here: the patterns take time and memory, and few commands need them.
        from ua_parser import Domain, load_lazy_builtins
        from ua_parser.regex import Resolver

        # Rust compiles the patterns; the other set also compiles each of them with Python's `re`.
        self._resolver = Resolver(load_lazy_builtins())
        self._domains = Domain.ALL
        self._clients = {name: client for client in catalogue.clients for name in client.parsed}
        self._prefixes = tuple(
            (prefix, client) for client in catalogue.clients for prefix in client.prefixes
        )
        self._words = tuple(
            (word, client) for client in catalogue.clients for word in client.contains
        )
        self._systems = dict(catalogue.os_names)

    def reduce_all(self, agents: Sequence[str]) -> list[Agent]:
        """`reduce` for each of the agents."""
        return [self.reduce(agent) for agent in agents]

    def reduce(self, agent: str) -> Agent:
        """What is kept of one user agent."""
        text = cut(agent)
        parsed = self._resolver(text, self._domains)
        client, version = self._told(text)
        if client is None and parsed.user_agent is not None:
            client = self._clients.get(parsed.user_agent.family)
            version = parsed.user_agent.major or ""
        system = self._systems.get(parsed.os.family, OTHER) if parsed.os else OTHER
        return _agent(client, version, system, _device(text, parsed, client))

    def glance(self, agent: str) -> Agent:
        """What the catalogue's prefixes and words alone say about one user agent."""
        client, version = self._told(cut(agent))
        return _agent(client, version, OTHER, (client and client.device) or OTHER)

    def _told(self, text: str) -> tuple[Client | None, str]:
        """The client that the text begins with or names, and what follows: the version."""
        for prefix, client in self._prefixes:
            if text.startswith(prefix):
                return client, text[len(prefix) :]
            if text == prefix.removesuffix("/"):
                return client, ""
        for word, client in self._words:
            _, found, rest = text.partition(word)
            if found:
                return client, rest.removeprefix("/")
        return None, ""


class AgentReader:
    """Reduces the agents of one batch after another at a bounded cost; caches answers."""

    __slots__ = ("_memo", "_parser")

    def __init__(self, parser: AgentParser) -> None:
        self._parser = parser
        self._memo = Memo(parser.reduce_all, MEMO_AGENTS)

    def read(self, agents: Sequence[str], rows: Ints) -> tuple[list[Agent], list[bool]]:
        """What is kept of distinct agents, `rows` being how often each occurs; and which of them
        were not parsed, because too many in this batch were new. Those are not cached."""
        known = self._memo.peek(agents)
        new = [index for index, agent in enumerate(known) if agent is None]
        limit = NEW_AGENTS + int(rows.sum()) // ROWS_PER_NEW_AGENT
        if len(new) > limit:
            new = sorted(new, key=lambda index: -int(rows[index]))
        parsed = self._memo.get([agents[index] for index in new[:limit]]) if new else []
        found = list(known)
        for index, agent in zip(new, parsed, strict=False):
            found[index] = agent
        kept = [
            self._parser.glance(text) if agent is None else agent
            for text, agent in zip(agents, found, strict=True)
        ]
        return kept, [agent is None for agent in found]


def _agent(client: Client | None, version: str, system: str, device: str) -> Agent:
    major = _major(version) if client else None
    common = client is not None and major in client.majors
    return Agent(client.name if client else OTHER, major, system, device, common)


def cut(agent: str) -> str:
    """The first 512 bytes of the text, without the character that the limit cuts in two."""
    encoded = agent.encode()
    return agent if len(encoded) <= LIMIT else encoded[:LIMIT].decode(errors="ignore")


def _major(text: str) -> int | None:
    match = _MAJOR.match(text)
    return int(match[0]) if match else None


def _device(text: str, parsed: PartialResult, client: Client | None) -> str:
    if client is not None and client.device is not None:
        return client.device
    device, browser = parsed.device, parsed.user_agent
    if (device and device.family == _SPIDER) or (browser and browser.family in _HEADLESS):
        return "bot"
    if _TV.search(text) or (device and device.brand == _TV_BRAND):
        return "tv"
    if _TABLET.search(text):
        return "tablet"
    if _MOBILE.search(text):
        return "mobile"
    return "desktop" if _DESKTOP.search(text) else OTHER
