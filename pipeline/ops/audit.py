"""Are the promises kept? Each is proven by checks, on what is really there.

`schemas/promises.yaml` names the checks of every promise. A check looks at stored bytes, the
lake's log, the state folder, settings, receipts or deployment files, and comes out as kept,
broken, or not applicable (with the reason: there is no bucket here). It says what it looked at,
and evidence is files and counts, never a stored value. Nothing is changed by an audit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from pipeline.errors import TelemetryError
from pipeline.events.catalogue import Catalogue
from pipeline.events.documents import read_document, suggest
from pipeline.events.schema import EventSchema
from pipeline.io.holds import Holds
from pipeline.io.keystore import Keystore
from pipeline.io.lake import Lake
from pipeline.io.receipts import Receipts
from pipeline.io.requests import RequestQueue
from pipeline.ops.rollup_registry import Registry
from pipeline.ops.scan import Ceilings, Finding
from pipeline.privacy.epochs import EpochKind
from pipeline.privacy.optout import Standing

MOST_EVIDENCE = 20


class Verdict(StrEnum):
    """How a check came out."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True)
class Observation:
    """What a check saw."""

    verdict: Verdict
    detail: str
    evidence: tuple[str, ...] = ()


def kept(detail: str) -> Observation:
    """The promise is kept as far as this check can see."""
    return Observation(Verdict.KEPT, detail)


def broken(detail: str, evidence: Sequence[str] = ()) -> Observation:
    """The promise is broken; `evidence` names places, never values."""
    return Observation(Verdict.BROKEN, detail, tuple(evidence[:MOST_EVIDENCE]))


def not_applicable(why: str) -> Observation:
    """There is nothing here that the check could look at."""
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
    """Everything that is looked at. `state` and what lies in it belong to one installation."""

    lake: Lake
    state: Path
    schemas: Mapping[str, tuple[EventSchema, ...]]
    catalogue: Catalogue
    registry: Registry
    ceilings: Ceilings
    keys: Callable[[], Keystore]
    optouts: Callable[[], tuple[Mapping[str, Standing], timedelta | None]]
    """Reads the list and tells how old its knowledge is; raises if it cannot be trusted."""
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
    """Names of the object store's options; their values are none of an audit's business."""
    deploy: Path | None = None
    canaries: Sequence[str] = field(default=(), repr=False)
    progress: Callable[[str], None] = lambda _: None
    _scan: list[tuple[Finding, ...]] = field(default_factory=list, repr=False)

    def scanned(self, scan: Callable[[Audited], tuple[Finding, ...]]) -> tuple[Finding, ...]:
        """Return what `scan` finds in the whole lake; it is read once for all checks."""
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
class Promise:
    """A promise and the names of its checks."""

    id: str
    text: str
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """A check and what it saw."""

    check: Check
    observation: Observation


@dataclass(frozen=True, slots=True)
class Proof:
    """A promise and how it stands."""

    promise: Promise
    results: tuple[Result, ...]

    @property
    def verdict(self) -> Verdict:
        """Broken if one check is; not applicable if none could look at anything."""
        verdicts = {result.observation.verdict for result in self.results}
        for verdict in (Verdict.BROKEN, Verdict.KEPT):
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
    """Hash of the last receipt: keep it elsewhere, and the chain cannot be exchanged."""

    @property
    def broken(self) -> tuple[str, ...]:
        """The promises that are broken."""
        return tuple(proof.promise.id for proof in self.proofs if proof.verdict is Verdict.BROKEN)


def parse_promises(text: str, where: str, known: Mapping[str, Check]) -> tuple[Promise, ...]:
    """Read `promises.yaml`; SchemaError for a promise without a check, or an unknown check."""
    document = read_document(text, where)
    promises = []
    for entry in document.items("promises"):
        promise = Promise(entry.text("id"), entry.text("text"), entry.texts("checks"))
        entry.close()
        if not promise.checks:
            raise entry.refuse("a promise has no check", "What nothing proves is not a promise.")
        for name in promise.checks:
            if name not in known:
                near = suggest(name, known)
                raise entry.refuse(f"there is no check {name!r}", f"Name an existing one{near}")
        promises.append(promise)
    document.close()
    return tuple(promises)


def audit(audited: Audited, promises: Sequence[Promise], checks: Mapping[str, Check]) -> Report:
    """Run every check once and return how each promise stands."""
    seen: dict[str, Result] = {}
    for name in dict.fromkeys(name for promise in promises for name in promise.checks):
        audited.progress(name)
        check = checks[name]
        seen[name] = Result(check, _observed(check, audited))
    proofs = tuple(
        Proof(promise, tuple(seen[name] for name in promise.checks)) for promise in promises
    )
    chain = audited.receipts.all()
    return Report(audited.lake.root, audited.now, proofs, chain[-1].hash if chain else None)


def _observed(check: Check, audited: Audited) -> Observation:
    """A check that meets one of our errors proves nothing: the promise counts as broken."""
    try:
        return check.look(audited)
    except TelemetryError as error:
        return broken(f"{error.what} ({error.why})" if error.why else error.what, [error.where])
