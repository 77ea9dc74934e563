"""The treatments, as functions from a raw field to its stored columns.

`TREATMENTS` is the whole list: what a schema declares as `name[argument]` is looked up with its
argument first, then by name. Adding one is four edits: its declaration in `events/treatments`,
a function and its line here, a test, a row in the documentation.

Every function builds its columns anew and answers a value that it cannot read with null, or
with the fallback of a closed list, never with the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import SchemaError
from pipeline.events.model import UNREADABLE
from pipeline.events.schema import Field, Treatment
from pipeline.privacy import buckets
from pipeline.privacy.addresses import MISSING
from pipeline.privacy.agents import UNREADABLE_AGENT
from pipeline.privacy.ages import ACCOUNT_AGES, account_ages
from pipeline.privacy.columns import (
    Codes,
    distinct,
    dtype_of,
    lengths,
    numbers,
    pick,
    validity,
    with_nulls,
)
from pipeline.privacy.pseudonyms import token_column
from pipeline.privacy.referrers import NONE
from pipeline.privacy.tokens import Domain
from pipeline.privacy.tools import Tools, Work
from pipeline.privacy.versions import major_minor

UNPARSEABLE = "unparseable"
OUT_OF_RANGE = "out_of_range"

_KEPT_RANGES = {"status": (100, 599), "schema_version": (1, 999)}
"""Numbers that are kept as they came must lie in here, else in what their column can hold."""

Treat = Callable[[Tools, Work, Field], Sequence[pa.Array]]


def drop(tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
    """Nothing is stored of it."""
    del tools, work, field
    return ()


def keep(tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
    """A number as it came, if its column can hold it."""
    del tools
    column = work.raw(field)
    values, valid = numbers(column), validity(column)
    kind = field.columns[0].type
    lowest, highest = _KEPT_RANGES.get(field.columns[0].name) or _range(kind)
    inside = (values >= lowest) & (values <= highest)
    if not inside.all():
        refused = ~inside if valid is None else ~inside & valid
        work.count_nulled(field, OUT_OF_RANGE, int(np.count_nonzero(refused)))
        valid = inside if valid is None else inside & valid
        values = np.where(inside, values, 0)
    return (with_nulls(values, valid, kind),)


def floor_hour(tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
    """UTC day and hour of the event."""
    del tools
    day, hour = field.columns
    return (
        pa.array(work.days.astype(np.int32), pa.int32()).view(day.type),
        with_nulls(work.hours, None, hour.type),
    )


def pseudonymize(tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
    """A token under the key of the row's epoch; of a message the fingerprint."""
    del tools
    column = work.raw(field)
    if field.treatment.args[0] == Domain.FINGERPRINT:
        unreadable = pc.equal(column, UNREADABLE)
        if pc.any(unreadable).as_py():
            column = pc.if_else(unreadable, "", column)
    return (token_column(column, work.groups, Domain(field.treatment.args[0])),)


def truncate(tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
    """Country, network and class of the client's address.

    How many bits are stored is the policy's business; it cannot go beyond /24 and /48.
    """
    peers = distinct(work.raw(field))
    answers = tools.peers.get(peers.values.to_pylist())
    kept = [*(answer[0] for answer in answers), MISSING]
    codes = peers.codes
    if tools.policy.trusted_proxies:
        trusted = np.array([*(answer[1] for answer in answers), False])
        rows = np.flatnonzero(trusted[codes])
        hops = distinct(work.column("forwarded_for").take(pa.array(rows)))
        codes = codes.copy()
        codes[rows] = hops.codes + len(kept)
        kept += [*tools.forwarded.get(hops.values.to_pylist()), MISSING]
    return (
        pick([entry.country for entry in kept], codes),
        pick([entry.prefix for entry in kept], codes),
        pick([entry.ip_class for entry in kept], codes),
    )


def bucket(tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
    """The representative of a number's bucket; of a timestamp, the seconds since the event."""
    del tools
    column = work.raw(field)
    values, valid = numbers(column), validity(column)
    if pa.types.is_timestamp(column.type):
        values = (values - work.event_us) / 1e6
        if valid is not None:
            values[~valid] = 0
    shape, *args = field.treatment.args
    if shape in ("log4", "pow2"):
        found = _CAPPED[shape](values, valid, int(args[0]))
    else:
        found = _BOUNDED[shape](values, valid, [float(arg) for arg in args])
    for why, count in found.nulled.items():
        work.count_nulled(field, why, count)
    return (with_nulls(found.values, found.usable, field.columns[0].type),)


def generalize_list(tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
    """The value if it is in the closed list, else the list's fallback; missing stays null."""
    name = field.treatment.args[0]
    allowed, fallback = tools.values(name), tools.catalogue.fallback(name)
    texts = [*allowed.to_pylist(), fallback, None if field.columns[0].nullable else fallback]
    column = work.raw(field)
    if pa.types.is_list(column.type):
        return (_list_column(column, allowed, texts),)
    return (pick(texts, _positions(column, allowed)),)


def _positions(column: pa.StringArray, allowed: pa.StringArray) -> Codes:
    """Position in the list; behind its end one for other texts, two for missing ones."""
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
    """Each row's values once, in the order of the closed list: how they came could tell more."""
    owners = np.asarray(pc.list_parent_indices(column).to_numpy(), dtype=np.int64)
    codes = _positions(pc.list_flatten(column), allowed).astype(np.int64)
    there = codes <= len(allowed)  # not null and not empty
    width = len(texts)
    entries = np.unique(owners[there] * width + codes[there])
    offsets = np.zeros(len(column) + 1, dtype=np.int32)
    np.cumsum(np.bincount(entries // width, minlength=len(column)), out=offsets[1:])
    missing = None if column.null_count == 0 else column.is_null()
    return pa.ListArray.from_arrays(pa.array(offsets), pick(texts, entries % width), mask=missing)


def generalize_agent(tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
    """Client family and major version, system, device class; all null without an agent."""
    found = distinct(work.raw(field))
    texts = found.values.to_pylist()
    told = [text for text in texts if text not in ("", UNREADABLE)]
    known = iter(tools.agents.get(told) if told else ())  # the parser is built when it is needed
    agents = [
        None if text == "" else UNREADABLE_AGENT if text == UNREADABLE else next(known)
        for text in texts
    ]
    agents.append(None)
    majors = pa.array([agent and agent.major for agent in agents], field.columns[1].type)
    return (
        pick([agent and agent.family for agent in agents], found.codes),
        majors.take(pa.array(found.codes)),
        pick([agent and agent.system for agent in agents], found.codes),
        pick([agent and agent.device for agent in agents], found.codes),
    )


def generalize_route(tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
    """The template that method and path match; null without a path."""
    paths = work.raw(field)
    methods = distinct(work.column("method"))
    codes = tools.routes.match_column(methods, paths)
    texts = (*tools.routes.templates, None)
    codes[lengths(paths) == 0] = len(texts) - 1
    return (pick(texts, codes),)


def generalize_referrer(tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
    """The class of the referring site; `none` without a referrer."""
    found = distinct(work.raw(field))
    texts = found.values.to_pylist()
    classes = tools.referrers.get(texts)
    return (pick([*classes, NONE], found.codes),)


def generalize_age(tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
    """How old the account was on the day of the event, in classes."""
    del tools
    column = work.raw(field)
    created = numbers(column).astype(np.int64)
    codes, nulled = account_ages(created, work.days, validity(column))
    for why, count in nulled.items():
        work.count_nulled(field, why, count)
    return (pick((*ACCOUNT_AGES, None), codes),)


def generalize_minor(tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
    """`major.minor` of a version; null and counted if it is not one."""
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


_CAPPED = {"log4": buckets.log4, "pow2": buckets.pow2}
_BOUNDED = {"edges": buckets.edges, "upto": buckets.upto}

TREATMENTS: Mapping[str, Treat] = {
    "drop": drop,
    "keep": keep,
    "floor[hour]": floor_hour,
    "pseudonymize": pseudonymize,
    "truncate": truncate,
    "bucket": bucket,
    "generalize": generalize_list,
    "generalize[agent]": generalize_agent,
    "generalize[route]": generalize_route,
    "generalize[referrer]": generalize_referrer,
    "generalize[age]": generalize_age,
    "generalize[minor]": generalize_minor,
}


def treatment_of(field: Field) -> Treat:
    """The function that treats the field.

    Raises `SchemaError` if nothing carries the treatment out, or if it makes numbers that the
    field's column cannot hold.
    """
    treatment = field.treatment
    treat = TREATMENTS.get(str(treatment)) or TREATMENTS.get(treatment.name)
    if treat is None:
        raise SchemaError(
            f"nothing carries out the treatment {treatment}",
            where=field.name,
            remedy="Declare another treatment, or add its function",
        )
    if treat is bucket:
        made, kind = _made(treatment), field.columns[0].type
        lowest, highest = _range(kind)
        whole = pa.types.is_integer(kind)
        if any(not lowest <= edge <= highest or (whole and edge % 1) for edge in made):
            raise SchemaError(
                f"a column of type {kind} cannot hold what {treatment} makes",
                where=field.name,
                remedy="Declare a wider type, or a floating one",
            )
    return treat


def _made(treatment: Treatment) -> list[float]:
    """Some of the numbers that a bucket stores, among them the hardest ones to hold."""
    shape, *args = treatment.args
    if shape == "log4":
        return [2.0**0.125, 2.0 ** int(args[0])]
    return [2.0 ** int(args[0])] if shape == "pow2" else [float(arg) for arg in args]


def _range(kind: pa.DataType) -> tuple[float, float]:
    number = dtype_of(kind)
    if np.issubdtype(number, np.floating):
        return float(np.finfo(number.name).min), float(np.finfo(number.name).max)
    return int(np.iinfo(number.name).min), int(np.iinfo(number.name).max)
