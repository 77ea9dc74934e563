"""A sound installation for audits and scans: a small lake, as the pipeline stores it, and state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from pipeline.io.parquet.encryption import PLAIN, Encryption
from pipeline.io.rights.holds import Holds
from pipeline.io.rights.optout_list import OptOutFile
from pipeline.io.rights.receipts import Receipts
from pipeline.io.rights.request_queue import (
    AccountTokens,
    RequestKind,
    RequestQueue,
    account_tokens,
)
from pipeline.ops.audit.audit import Audited
from pipeline.ops.scan.column_values import Ceilings
from pipeline.ops.scan.declared import Declared
from pipeline.privacy.anonymize import Anonymizer
from pipeline.privacy.identity.epochs import EpochKind
from pipeline.privacy.policy import Policy
from tests.dashboards import REGISTRY
from tests.privacy_rows import CATALOGUE, SCHEMAS, nowhere, raw_batch

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KIND = EpochKind.FOUR_WEEKS
EVENT = "session"


class Sound:
    """An installation in which nothing is wrong until a test changes it."""

    def __init__(self, folder: Path, encrypted: EpochKind | None = None) -> None:
        self.folder, self.state = folder, folder / "state"
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.keys = LocalKeystore(self.state / "keys", now=lambda: NOW)
        encryption = Encryption(lambda: self.keys, encrypted) if encrypted else PLAIN
        self.lake = Lake(str(folder / "lake"), state=self.state, encryption=encryption)
        self.optouts = OptOutFile(self.state / "optout.ndjson", self.keys.permanent_key("optout"))
        self.queue = RequestQueue(self.state / "requests.ndjson")
        self.receipts = Receipts(self.state / "receipts.ndjson")
        self.holds = Holds(self.state / "holds.ndjson")
        self._stage = Anonymizer(SCHEMAS, CATALOGUE, self.keys, nowhere, Policy())

    @property
    def table(self) -> EventTable:
        """The table of the one event that is stored."""
        return self.lake.events(EVENT, SCHEMAS[EVENT][-1].stored)

    def store(self, rows: Sequence[Mapping[str, Any]], topic: str = "telemetry.session") -> None:
        """Commit rows of sessions, as the pipeline makes them."""
        clean = self._stage.anonymize(raw_batch(EVENT, rows), NOW)
        span = replace(clean.span, source="kafka", topic=topic, start=0, stop=len(rows))
        self.table.commit(replace(clean, span=span))

    def people(self, *accounts: str) -> list[AccountTokens]:
        """The tokens of accounts."""
        return account_tokens(accounts, optouts=self.optouts, keys=self.keys, epochs=KIND, now=NOW)

    def ask(self, kind: RequestKind, *accounts: str, ago: timedelta = timedelta()) -> str:
        """Hand in requests; return the first one's number."""
        return self.queue.submit(kind, self.people(*accounts), NOW - ago)[0].number

    def sweep(self) -> None:
        """Mark what was asked for as carried out; tokens stay known until the second pass."""
        self.queue.sweep([one.number for one in self.queue.pending()], NOW)

    @property
    def declared(self) -> Declared:
        """What may be stored."""
        ceilings = Ceilings(16, 32)
        return Declared(SCHEMAS, CATALOGUE, REGISTRY, ceilings, KIND, ["telemetry.session"])

    def audited(self, **changes: Any) -> Audited:
        """Everything that an audit looks at."""
        whole = Audited(
            lake=self.lake,
            state=self.state,
            schemas=SCHEMAS,
            catalogue=CATALOGUE,
            registry=REGISTRY,
            ceilings=Ceilings(16, 32),
            keys=lambda: self.keys,
            optouts=lambda: (self.optouts.load().standings, None),
            optout_limit=timedelta(minutes=15),
            queue=self.queue,
            receipts=self.receipts,
            holds=self.holds,
            epochs=KIND,
            retention_days=90,
            now=NOW,
            topics=["telemetry.session"],
        )
        return replace(whole, **changes)

    def parts(self) -> list[Path]:
        """Files of rows."""
        return sorted(Path(self.table.log.uri).glob("event_date=*/*.parquet"))
