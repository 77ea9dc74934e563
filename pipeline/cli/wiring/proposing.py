"""From files without a description to a proposal: format, catalogue, and what would be stored.

Nothing is written, and what is returned holds no value of a line except words of closed lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.cli.wiring.opening import make_policy, open_catalogue, open_country
from pipeline.errors import NothingAccepted, UsageError
from pipeline.events.catalogue import Catalogue, Route, parse_catalogue
from pipeline.events.formats.guess import Fit, best_fit, recognise, refusals
from pipeline.events.formats.model import Envelope, Format, in_envelope
from pipeline.events.model import RawBatch
from pipeline.events.schema import EventSchema
from pipeline.io.files.sample import first_messages
from pipeline.io.package_data import formats_for, load_format
from pipeline.ops.proposal.account import SampleAccount, account_of
from pipeline.ops.proposal.files import Input, catalogue_texts
from pipeline.ops.proposal.lists import callers_of, propose_lists
from pipeline.ops.proposal.routes import LoggedRequest, packaged_words, propose_routes
from pipeline.ops.trial import Rules, anonymize_batch, decode_messages
from pipeline.settings import Settings

SAMPLE_LINES = 1_000

Schemas = Mapping[str, tuple[EventSchema, ...]]


@dataclass(frozen=True, slots=True, repr=False)
class Sample:
    """The first messages of files of one kind. Holds identifiers; never shown."""

    files: tuple[str, ...]
    fit: Fit
    messages: list[bytes]
    raw: RawBatch


@dataclass(frozen=True, slots=True)
class Proposal:
    """What `telemetry init` found."""

    inputs: tuple[Input, ...]
    accounts: tuple[SampleAccount, ...]
    """By input."""
    warnings: tuple[str, ...]
    routes: tuple[Route, ...]
    lists: Mapping[str, tuple[str, ...]]
    catalogue: Mapping[str, str]
    """Texts of the catalogue's files, by name."""


def propose(
    files: Sequence[str], name: str | None, envelope: str | None, schemas: Schemas, now: datetime
) -> Proposal:
    """Look at the beginnings of files. Raises NothingAccepted if a file is of no known kind."""
    samples = _samples(files, name, envelope, schemas)
    routes, lists = _closed(samples, schemas, open_catalogue(Settings()))
    texts = catalogue_texts(routes, lists)
    made = parse_catalogue({name.removesuffix(".yaml"): text for name, text in texts.items()})
    policy = make_policy(Settings(), backfill=True)
    rules = Rules(made, open_country(Settings()), policy, now)
    warnings = (one.fit.format.warnings for one in samples if one.fit.format is not None)
    return Proposal(
        tuple(_input(one) for one in samples),
        tuple(_account(one, schemas, rules) for one in samples),
        tuple(dict.fromkeys(warning for found in warnings for warning in found)),
        routes,
        lists,
        texts,
    )


def _samples(
    files: Sequence[str], name: str | None, envelope: str | None, schemas: Schemas
) -> list[Sample]:
    """Files by what they are; those of one kind together."""
    named = None if name is None else in_envelope(load_format(name, schemas), envelope)
    by_kind: dict[str, tuple[Fit, list[str]]] = {}
    for file in files:
        fit = _kind(file, named, name, schemas)
        by_kind.setdefault(fit.options, (fit, []))[1].append(file)
    samples = []
    for fit, paths in by_kind.values():
        messages = first_messages(paths, SAMPLE_LINES)
        raw = decode_messages(messages, schemas[fit.event], fit.format)
        samples.append(Sample(tuple(paths), fit, messages, raw))
    return samples


def _kind(file: str, named: Format | None, name: str | None, schemas: Schemas) -> Fit:
    messages = first_messages([file], SAMPLE_LINES)
    if not messages:
        raise UsageError(
            "there is no line to look at", where=file, remedy="Name a file that has some lines"
        )
    if named is not None and name is not None:
        return Fit(named.event, 1.0, name, named)
    known = formats_for(schemas)
    fit = best_fit(messages, known, schemas)
    if fit is None:
        nearest = recognise(messages, known, schemas)[0]
        raise NothingAccepted(
            "The lines are in no format that is known",
            where=file,
            why=f"the one that fits best, {nearest.name}, fits {nearest.share:.0%} of the first "
            f"{len(messages):,}",
            remedy="Write a format of your own and name it with --format; "
            "`telemetry schema formats` lists the packaged ones.",
        )
    return fit


def _closed(
    samples: Sequence[Sample], schemas: Schemas, catalogue: Catalogue
) -> tuple[tuple[Route, ...], Mapping[str, tuple[str, ...]]]:
    """Routes and values of closed lists, of all samples together."""
    requests: list[LoggedRequest] = []
    lists: dict[str, tuple[str, ...]] = {}
    for sample in samples:
        rows = sample.raw.rows
        found = propose_lists(rows, schemas[sample.fit.event][-1])
        for name, values in found.items():
            lists[name] = tuple(sorted({*lists.get(name, ()), *values}))
        if "path" in rows.schema.names:
            columns = [rows.column(name).to_pylist() for name in ("method", "path", "status")]
            requests += map(LoggedRequest, *columns, callers_of(rows))
    return propose_routes(requests, packaged_words(), catalogue.values("methods")), lists


def _input(sample: Sample) -> Input:
    fit = sample.fit
    if fit.format is None:
        return Input(fit.event, sample.files, None, None)
    envelope = None if fit.format.envelope is Envelope.NONE else str(fit.format.envelope)
    return Input(fit.event, sample.files, fit.name, envelope)


def _account(sample: Sample, schemas: Schemas, rules: Rules) -> SampleAccount:
    versions = schemas[sample.fit.event]
    refused = refusals(sample.messages, versions, sample.fit.format)
    clean = anonymize_batch(sample.raw, versions, rules)
    recent = make_policy(Settings()).max_age_days
    return account_of(sample.raw, clean, versions[-1], rules, recent, refused)
