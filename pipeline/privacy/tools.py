"""What treatments work with: the tools that one worker builds once, and the batch at hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from pipeline.events.catalogue import Catalogue
from pipeline.events.schema import EventSchema, Field
from pipeline.privacy.columns import Ints, raw_column
from pipeline.privacy.identity.pseudonyms import Group
from pipeline.privacy.memo import Memo
from pipeline.privacy.policy import Policy
from pipeline.privacy.values.addresses import AddressReducer, Kept
from pipeline.privacy.values.agents import AgentParser, AgentReader
from pipeline.privacy.values.referrers import ReferrerClassifier
from pipeline.privacy.values.routes import RouteMatcher

MEMO_PEERS = 32_768
MEMO_FORWARDED = 4_096
MEMO_REFERRERS = 4_096
"""Answers that are cached; a text can be 2 KiB long, so these bound a worker's memory."""


class Addresses:
    """What is kept of addresses, cached."""

    def __init__(self, reducer: AddressReducer) -> None:
        self._reducer = reducer
        self.peers = Memo(self._peers, MEMO_PEERS)
        self.forwarded = Memo(self._forwarded, MEMO_FORWARDED)

    def _peers(self, texts: Sequence[str]) -> list[tuple[Kept, bool]]:
        return [(self._reducer.reduce(text), self._reducer.is_trusted(text)) for text in texts]

    def _forwarded(self, texts: Sequence[str]) -> list[Kept]:
        return [self._reducer.reduce_forwarded(text) for text in texts]


class Tools:
    """What treatments need besides the batch. Caches answers; holds raw values in memory."""

    def __init__(self, catalogue: Catalogue, policy: Policy, country: Callable[[str], str]) -> None:
        self.catalogue = catalogue
        self.policy = policy
        self._country = country
        self._addresses: dict[tuple[int, int], Addresses] = {}
        self.routes = RouteMatcher(catalogue.routes)
        classifier = ReferrerClassifier(catalogue.referrer_domains)
        self.referrers = Memo(classifier.classify_all, MEMO_REFERRERS)
        self._lists: dict[str, pa.StringArray] = {}

    @cached_property
    def agents(self) -> AgentReader:
        """User agents; the parser is built when the first batch asks."""
        return AgentReader(AgentParser(self.catalogue))

    def addresses(self, ipv4_bits: int, ipv6_bits: int) -> Addresses:
        """What is kept of addresses where a schema declares this many bits."""
        bits = ipv4_bits, ipv6_bits
        if bits not in self._addresses:
            self._addresses[bits] = Addresses(AddressReducer(self.policy, self._country, bits))
        return self._addresses[bits]

    def values(self, name: str) -> pa.StringArray:
        """The values of a closed list."""
        if name not in self._lists:
            self._lists[name] = pa.array(self.catalogue.values(name), pa.string())
        return self._lists[name]


@dataclass(frozen=True, slots=True, repr=False)
class Work:
    """One batch while it is treated: the rows that will be stored."""

    schema: EventSchema
    rows: pa.RecordBatch
    event_us: Ints
    days: Ints
    hours: Ints
    groups: Sequence[Group]
    nulled: Counter[tuple[str, str]]

    def column(self, name: str) -> pa.Array:
        """The raw text column of that name, for reading."""
        return raw_column(self.rows, name, pa.string())

    def raw(self, field: Field) -> pa.Array:
        """The raw column of the field, for reading."""
        return raw_column(self.rows, field.name, self.schema.raw.field(field.name).type)

    def count_nulled(self, field: Field, why: str, count: int) -> None:
        """Count values that were there and became null."""
        if count:
            self.nulled[field.name, why] += count
