"""What treatments work with: the tools that one worker builds once, and the batch at hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from pipeline.events.catalogue import Catalogue
from pipeline.events.schema import EventSchema, Field
from pipeline.privacy.addresses import AddressReducer, Kept
from pipeline.privacy.agents import Agent, AgentParser
from pipeline.privacy.columns import Ints, raw_column
from pipeline.privacy.memo import Memo
from pipeline.privacy.policy import Policy
from pipeline.privacy.pseudonyms import Group
from pipeline.privacy.referrers import ReferrerClassifier
from pipeline.privacy.routes import RouteMatcher

MEMO_PEERS = 32_768
MEMO_FORWARDED = 4_096
MEMO_REFERRERS = 4_096
MEMO_AGENTS = 8_192
"""Answers that are remembered; a text can be 2 KiB long, so these bound a worker's memory."""


class Tools:
    """What treatments need besides the batch. Remembers answers; holds raw values in memory."""

    def __init__(self, catalogue: Catalogue, policy: Policy, country: Callable[[str], str]) -> None:
        self.catalogue = catalogue
        self.policy = policy
        self.addresses = AddressReducer(policy, country)
        self.routes = RouteMatcher(catalogue.routes)
        self.peers = Memo(self._peers, MEMO_PEERS)
        self.forwarded = Memo(self._forwarded, MEMO_FORWARDED)
        classifier = ReferrerClassifier(catalogue.referrer_domains)
        self.referrers = Memo(classifier.classify_all, MEMO_REFERRERS)
        self._lists: dict[str, pa.StringArray] = {}

    @cached_property
    def agents(self) -> Memo[str, Agent]:
        """User agents; the parser is built when the first batch asks."""
        return Memo(AgentParser(self.catalogue).reduce_all, MEMO_AGENTS)

    def values(self, name: str) -> pa.StringArray:
        """The values of a closed list."""
        if name not in self._lists:
            self._lists[name] = pa.array(self.catalogue.values(name), pa.string())
        return self._lists[name]

    def _peers(self, texts: Sequence[str]) -> list[tuple[Kept, bool]]:
        addresses = self.addresses
        return [(addresses.reduce(text), addresses.is_trusted(text)) for text in texts]

    def _forwarded(self, texts: Sequence[str]) -> list[Kept]:
        return [self.addresses.reduce_forwarded(text) for text in texts]


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
