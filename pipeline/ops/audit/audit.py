"""Are the promises kept? Each is proven by checks of what is actually there.

`schemas/promises.yaml` names the checks of every promise. A check examines stored bytes, the
lake's log, the state folder, settings, receipts or deployment files, and its verdict is kept,
broken, not verified (there is something to examine, but it was not: a disk's encryption) or not
applicable (there is nothing to examine: no bucket here). A promise with any check that was not
verified is itself not verified, never kept. Evidence is files and counts, never a stored value.
An audit changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from pipeline.errors import SchemaError, TelemetryError
from pipeline.events.catalogue import Catalogue
from pipeline.events.documents import suggest
from pipeline.events.promises import Promise
from pipeline.events.schema import EventSchema
from pipeline.io.keys.keystore import Keystore
from pipeline.io.lake.lake import Lake
from pipeline.io.rights.holds import Holds
from pipeline.io.rights.receipts import Receipts
from pipeline.io.rights.request_queue import RequestQueue
from pipeline.ops.rollup.registry import Registry
from pipeline.ops.scan.column_values import Ceilings
from pipeline.ops.scan.declared import Declared
from pipeline.ops.scan.findings import Scanned
from pipeline.privacy.identity.epochs import EpochKind
from pipeline.privacy.optout import Standing

MOST_EVIDENCE = 20


class Verdict(StrEnum):
    """The outcome of a check."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_VERIFIED = "not_verified"
    """There is something to examine, but it was not examined."""
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True)
class Observation:
    """What a check saw."""

    verdict: Verdict
    detail: str
    evidence: tuple[str, ...] = ()
    findings: int = 0
    """How many there are; `evidence` holds the first ones."""


def kept(detail: str) -> Observation:
    """The promise is kept as far as this check can see."""
    return Observation(Verdict.KEPT, detail)


def broken(detail: str, evidence: Sequence[str] = ()) -> Observation:
    """The promise is broken; `evidence` names places, never values."""
    return Observation(Verdict.BROKEN, detail, tuple(evidence[:MOST_EVIDENCE]), len(evidence))


def not_verified(why: str, evidence: Sequence[str] = ()) -> Observation:
    """There is something that this check should have examined, but could not."""
    return Observation(Verdict.NOT_VERIFIED, why, tuple(evidence[:MOST_EVIDENCE]), len(evidence))


def not_applicable(why: str) -> Observation:
    """There is nothing here for the check to examine."""
    return Observation(Verdict.NOT_APPLICABLE, why)


def unless(evidence: Sequence[str], fine: str, otherwise: str) -> Observation:
    """Kept without evidence, broken with it."""
    return broken(otherwise, evidence) if evidence else kept(fine)


@dataclass(frozen=True, slots=True)
class Transport:
    """One way in from outside: a Kafka source."""

    source: str
    protocol: str
    loopback: bool


@dataclass(frozen=True, slots=True)
class Audited:
    """Everything that is examined. `state` and its contents belong to one installation."""

    lake: Lake
    state: Path
    schemas: Mapping[str, tuple[EventSchema, ...]]
    catalogue: Catalogue
    registry: Registry
    ceilings: Ceilings
    keys: Callable[[], Keystore]
    optouts: Callable[[], tuple[Mapping[str, Standing], timedelta | None]]
    """Reads the list and returns the age of its contents; raises if it cannot be trusted."""
    optout_limit: timedelta
    queue: RequestQueue
    receipts: Receipts
    holds: Holds
    epochs: EpochKind
    retention_days: int
    now: datetime
    keys_elsewhere: bool = False
    """Keys are in a secret manager: key files in the state folder outlive what it destroys."""
    topics: Sequence[str] = ()
    transports: Sequence[Transport] = ()
    storage_options: Sequence[str] = ()
    """Names of the object store's options; an audit does not need their values."""
    deploy: Path | None = None
    site: Path | None = None
    """The dashboard's folder."""
    rebuilt: Callable[[bytes], Mapping[str, str] | None] = lambda _: None
    """Rebuilds the dashboard's files as of the time that its page names; None if it cannot."""
    all_figures: bool = False
    """Also recompute the published figures that take more memory than an audit should."""
    canaries: Sequence[str] = field(default=(), repr=False)
    progress: Callable[[str], None] = lambda _: None
    _scan: list[Scanned] = field(default_factory=list, repr=False)

    @property
    def declared(self) -> Declared:
        """Everything that says what may be stored."""
        return Declared(
            self.schemas,
            self.catalogue,
            self.registry,
            self.ceilings,
            self.epochs,
            self.topics,
            self.retention_days,
        )

    def scanned(self, scan: Callable[[Audited], Scanned]) -> Scanned:
        """Return what `scan` finds in lake, state and site; it is all read once for all checks."""
        if not self._scan:
            self._scan.append(scan(self))
        return self._scan[0]


@dataclass(frozen=True, slots=True)
class Check:
    """One way to prove a promise."""

    name: str
    subject: str
    """What it looks at: stored bytes, log, state, settings, receipts, deployment files."""
    sentence: str
    look: Callable[[Audited], Observation]


@dataclass(frozen=True, slots=True)
class Result:
    """A check and what it saw."""

    check: Check
    observation: Observation


@dataclass(frozen=True, slots=True)
class Proof:
    """A promise and its state."""

    promise: Promise
    results: tuple[Result, ...]

    @property
    def verdict(self) -> Verdict:
        """Broken if any check is, else not verified if any is; kept if any check saw that it is."""
        verdicts = {result.observation.verdict for result in self.results}
        for verdict in (Verdict.BROKEN, Verdict.NOT_VERIFIED, Verdict.KEPT):
            if verdict in verdicts:
                return verdict
        return Verdict.NOT_APPLICABLE


@dataclass(frozen=True, slots=True)
class Report:
    """An audit."""

    lake: str
    at: datetime
    proofs: tuple[Proof, ...]
    last_receipt: str | None
    """Hash of the last receipt: if a copy is kept elsewhere, the chain cannot be replaced."""

    @property
    def broken(self) -> tuple[str, ...]:
        """The promises that are broken."""
        return self.of(Verdict.BROKEN)

    def of(self, verdict: Verdict) -> tuple[str, ...]:
        """The promises with this verdict."""
        return tuple(proof.promise.id for proof in self.proofs if proof.verdict is verdict)


def proven(promises: Sequence[Promise], known: Mapping[str, Check], where: str) -> None:
    """Raise SchemaError for a promise that names a check which does not exist."""
    for promise in promises:
        for name in promise.checks:
            if name not in known:
                raise SchemaError(
                    f"there is no check {name!r}",
                    where=f"{where}, {promise.id}",
                    remedy=f"Name an existing one{suggest(name, known)}",
                )


def audit(audited: Audited, promises: Sequence[Promise], checks: Mapping[str, Check]) -> Report:
    """Run every check once and return the state of each promise."""
    seen: dict[str, Result] = {}
    for name in dict.fromkeys(name for promise in promises for name in promise.checks):
        audited.progress(name)
        check = checks[name]
        seen[name] = Result(check, _observed(check, audited))
    proofs = tuple(
        Proof(promise, tuple(seen[name] for name in promise.checks)) for promise in promises
    )
    return Report(audited.lake.root, audited.now, proofs, _last_receipt(audited))


def _last_receipt(audited: Audited) -> str | None:
    """Also None where receipts cannot be read: then the check of their chain says so."""
    try:
        chain = audited.receipts.all()
    except TelemetryError:
        return None
    return chain[-1].hash if chain else None


def _observed(check: Check, audited: Audited) -> Observation:
    """A check that fails with one of our errors proves nothing: the promise counts as broken."""
    try:
        return check.look(audited)
    except TelemetryError as error:
        return broken(f"{error.what} ({error.why})" if error.why else error.what, [error.where])
