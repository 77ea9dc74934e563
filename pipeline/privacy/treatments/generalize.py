"""Values replaced by what is common to many: closed lists, routes, classes, versions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.events.model import UNREADABLE
from pipeline.events.schema import Field
from pipeline.events.treatments import (
    ANY_SENSITIVITY,
    FieldType,
    Treatment,
    TreatmentError,
)
from pipeline.privacy.columns import (
    Codes,
    decoded,
    distinct,
    lengths,
    numbers,
    pick,
    pieces,
    validity,
)
from pipeline.privacy.tools import Tools, Work
from pipeline.privacy.treatments.column import ColumnTreatment
from pipeline.privacy.values.agents import UNREADABLE_AGENT, Agent
from pipeline.privacy.values.ages import ACCOUNT_AGES, account_ages
from pipeline.privacy.values.referrers import NONE
from pipeline.privacy.values.versions import major_minor

UNPARSEABLE = "unparseable"
ITEMS = 1 << 20
"""Items of lists that are processed together."""
TOO_MANY = "too_many_new"


@dataclass(frozen=True, slots=True)
class ListValue(ColumnTreatment):
    """The value if it is in the closed list, else the list's fallback; missing stays null."""

    form = "generalize[LIST]"
    stores = "the value if it is in that list, else `other` (`unregistered` for error codes)"
    makes = ("value of the list",)
    sensitivities = ANY_SENSITIVITY

    @property
    def kinds(self) -> frozenset[FieldType]:
        return frozenset({FieldType.STRING, FieldType.LIST})

    def check(self, sources: Collection[str]) -> None:
        if len(self.args) != 1 or self.args[0] not in sources:
            raise TreatmentError(
                "generalize takes agent, age, minor, referrer, route or a plain list of the "
                f"catalogue: {', '.join(sorted(sources))}"
            )

    def in_words(self) -> str:
        return f"value of the closed list {self.args[0]}, else its fallback"

    def treat(self, tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
        name = self.args[0]
        allowed, fallback = tools.values(name), tools.catalogue.fallback(name)
        texts = [*allowed.to_pylist(), fallback, None if field.columns[0].nullable else fallback]
        column = work.raw(field)
        if pa.types.is_list(column.type):
            # A message can list thousands of items, which take ten times their size in memory.
            found = [
                _list_column(column.slice(low, high - low), allowed, texts)
                for low, high in pieces(column.offsets.to_numpy(), ITEMS)
            ]
            return (pa.concat_arrays([*found, pa.array([], column.type)]),)
        return (pick(texts, _positions(column, allowed)),)


def _positions(column: pa.StringArray, allowed: pa.StringArray) -> Codes:
    """Position in the list; one past the last for other texts, two past it for missing ones."""
    other = len(allowed)
    found = pc.index_in(column, value_set=allowed)
    if not found.null_count:
        return np.asarray(found.to_numpy(), dtype=np.int32)
    codes = np.array(found.fill_null(other).to_numpy(), dtype=np.int32)
    codes[lengths(column) == 0] = other + 1
    return codes


def _list_column(
    column: pa.ListArray, allowed: pa.StringArray, texts: Sequence[str | None]
) -> pa.ListArray:
    """Each row's values once, in the order of the closed list: their own order could tell more."""
    owners = np.asarray(pc.list_parent_indices(column).to_numpy(), dtype=np.int64)
    codes = _positions(pc.list_flatten(column), allowed).astype(np.int64)
    there = codes <= len(allowed)  # not null and not empty
    width = len(texts)
    entries = np.unique(owners[there] * width + codes[there])
    offsets = np.zeros(len(column) + 1, dtype=np.int32)
    np.cumsum(np.bincount(entries // width, minlength=len(column)), out=offsets[1:])
    missing = None if column.null_count == 0 else column.is_null()
    items = decoded(pick(texts, entries % width))
    return pa.ListArray.from_arrays(pa.array(offsets), items, mask=missing)


@dataclass(frozen=True, slots=True)
class _Reduction(ColumnTreatment):
    """A text that is read for one thing, and forgotten."""

    sensitivities = ANY_SENSITIVITY

    @property
    def kinds(self) -> frozenset[FieldType]:
        return frozenset({FieldType.STRING})

    @abstractmethod
    def in_words(self) -> str: ...


@dataclass(frozen=True, slots=True)
class AgentClass(_Reduction):
    """Client family and major version, system, device class; all null without an agent."""

    form = "generalize[agent]"
    stores = "client family and major version, system, device class"
    makes = ("family", "major version", "system", "device class")

    def in_words(self) -> str:
        return "family and major version of the client, system, kind of device; closed lists"

    def keeps_no_more_than(self, other: Treatment) -> bool:
        return type(other) is AgentClass

    def major(self, agent: Agent) -> int | None:
        """The major version that is stored."""
        return agent.major

    def treat(self, tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
        found = distinct(work.raw(field))
        texts = found.values.to_pylist()
        agents: list[Agent | None] = [UNREADABLE_AGENT if text else None for text in texts]
        agents.append(None)
        told = [index for index, text in enumerate(texts) if text not in ("", UNREADABLE)]
        if told:  # the parser is built when it is needed
            rows = np.bincount(found.codes, minlength=len(agents))[told]
            kept, unread = tools.agents.read([texts[index] for index in told], rows)
            for index, agent in zip(told, kept, strict=True):
                agents[index] = agent
            work.count_nulled(field, TOO_MANY, int(rows[unread].sum()))
        majors = pa.array([agent and self.major(agent) for agent in agents], field.columns[1].type)
        return (
            pick([agent and agent.family for agent in agents], found.codes),
            majors.take(pa.array(found.codes)),
            pick([agent and agent.system for agent in agents], found.codes),
            pick([agent and agent.device for agent in agents], found.codes),
        )


@dataclass(frozen=True, slots=True)
class CommonAgentClass(AgentClass):
    """The same, with the major version only where the catalogue lists it as common."""

    form = "generalize[common_agent]"
    stores = (
        "the same, but the major version only where the catalogue lists it as common, else null"
    )

    def in_words(self) -> str:
        return "family, common major version, system, kind of device; closed lists"

    def keeps_no_more_than(self, other: Treatment) -> bool:
        return isinstance(other, AgentClass)

    def major(self, agent: Agent) -> int | None:
        return agent.major if agent.common else None


@dataclass(frozen=True, slots=True)
class Route(_Reduction):
    """The template that method and path match; null without a path."""

    form = "generalize[route]"
    stores = "the API route that method and path match, else `/{unmatched}`"
    makes = ("template",)
    reads = "method"

    def in_words(self) -> str:
        return "the route of the API that it matches, else /{unmatched}"

    def treat(self, tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
        paths = work.raw(field)
        methods = distinct(work.column(field.reads or self.reads))
        codes = tools.routes.match_column(methods, paths)
        texts = (*tools.routes.templates, None)
        codes[lengths(paths) == 0] = len(texts) - 1
        return (pick(texts, codes),)


@dataclass(frozen=True, slots=True)
class ReferrerClass(_Reduction):
    """The class of the referring site; `none` without a referrer."""

    form = "generalize[referrer]"
    stores = "class of the referring site"
    makes = ("class",)

    def in_words(self) -> str:
        return "class of the site, from a closed list"

    def treat(self, tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
        found = distinct(work.raw(field))
        classes = tools.referrers.get(found.values.to_pylist())
        return (pick([*classes, NONE], found.codes),)


@dataclass(frozen=True, slots=True)
class Age(_Reduction):
    """How old the account was on the day of the event, in classes."""

    form = "generalize[age]"
    stores = "days between a date and the event, in four classes"
    makes = ("class",)

    @property
    def kinds(self) -> frozenset[FieldType]:
        return frozenset({FieldType.DATE})

    def in_words(self) -> str:
        return "days since then in four classes"

    def treat(self, tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
        del tools
        column = work.raw(field)
        created = numbers(column).astype(np.int64)
        codes, nulled = account_ages(created, work.days, validity(column))
        for why, count in nulled.items():
            work.count_nulled(field, why, count)
        return (pick((*ACCOUNT_AGES, None), codes),)


@dataclass(frozen=True, slots=True)
class MinorVersion(_Reduction):
    """`major.minor` of a version; null and counted if it is not one."""

    form = "generalize[minor]"
    stores = "`major.minor` of a version"
    makes = ("major.minor",)

    def in_words(self) -> str:
        return "major.minor"

    def treat(self, tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
        del tools
        found = distinct(work.raw(field))
        texts = found.values.to_pylist()
        versions = [major_minor(text) for text in texts]
        refused = [
            version is None and text != "" for version, text in zip(versions, texts, strict=True)
        ]
        count = np.count_nonzero(np.array([*refused, False])[found.codes])
        work.count_nulled(field, UNPARSEABLE, int(count))
        return (pick([*versions, None], found.codes),)
