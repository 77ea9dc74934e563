"""The one scan of an installation: lake, state folder and dashboard, and whose rows to look for.

Removal requests of every kind are searched for in every file, named or not, for as long as their
tokens are known: until the second pass.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import TelemetryError
from pipeline.events.schema import SUBJECT
from pipeline.io.rights.request_queue import Request, RequestKind
from pipeline.ops.audit.audit import Audited
from pipeline.ops.rights.erasure import Subjects, merged
from pipeline.ops.rights.worker import ERASURES
from pipeline.ops.scan.declared import Sought
from pipeline.ops.scan.findings import Doubt, Scanned
from pipeline.ops.scan.lake_scan import scan_lake
from pipeline.ops.scan.site_scan import scan_site
from pipeline.ops.scan.state_walk import scan_state
from pipeline.privacy.identity.epochs import epoch_of
from pipeline.privacy.optout import Standing

ERASED, PURGED, RESTRICTED = "erased_rows_gone", "purged_rows_gone", "restricted_rows_apart"


def scan_everything(audited: Audited) -> Scanned:
    """Scan lake, state folder and dashboard, once; what cannot be listed is a doubt."""
    doubts: list[Doubt] = []
    try:
        held = frozenset(audited.holds.days(audited.now.date()))
    except TelemetryError as error:
        held = frozenset()
        doubts.append(Doubt(("nothing_expired",), "state/holds.ndjson", error.what))
    lake = scan_lake(
        audited.lake,
        audited.declared,
        audited.now,
        sought=lambda: _sought(audited, doubts),
        held=held,
        progress=audited.progress,
    )
    known = audited.declared.known
    state = scan_state(audited.state, known, keys_elsewhere=audited.keys_elsewhere)
    site = Scanned()
    if audited.site is not None:
        site = scan_site(audited.site, known, audited.rebuilt)
    return lake + state + site + Scanned(doubts=tuple(doubts))


def _sought(audited: Audited, doubts: list[Doubt]) -> list[Sought]:
    """Whose rows must be gone, for every kind of request whose tokens are still known."""
    standings: Mapping[str, Standing] = {}
    swept: list[Request] = []
    try:
        held = audited.holds.accounts(audited.now.date())
        swept = [
            one
            for one in audited.queue.pending()
            if one.swept_at is not None and one.tokens.account not in held
        ]
        standings, _ = audited.optouts()
    except TelemetryError as error:
        # The check of that file says what is wrong; everything else is still examined.
        doubts.append(Doubt((ERASED, PURGED, RESTRICTED), "state", error.what))

    def out(account: str) -> bool:
        standing = standings.get(account)
        return standing is not None and any(stop is None for _, stop in standing.intervals)

    def apart(account: str) -> bool:
        standing = standings.get(account)
        return standing is not None and standing.restricted is not None

    everywhere = ("events", "restricted")
    groups = (
        (ERASED, everywhere, [one for one in swept if one.kind in ERASURES], "an erased account"),
        (
            PURGED,
            everywhere,
            [one for one in swept if one.kind is RequestKind.PURGE and out(one.tokens.account)],
            "an account that opted out",
        ),
        (
            RESTRICTED,
            ("events",),
            [
                one
                for one in swept
                if one.kind is RequestKind.RESTRICT and apart(one.tokens.account)
            ],
            "a restricted account",
        ),
    )
    sought = [
        Sought(
            check,
            tables,
            Subjects(audited.epochs, merged(one.tokens.subjects for one in mine)),
            f"tokens of {whose}",
        )
        for check, tables, mine, whose in groups
        if mine
    ]
    aside = _set_aside(audited)
    if aside:
        subjects = Subjects(audited.epochs, aside)
        sought.append(Sought(RESTRICTED, ("events",), subjects, "tokens of a restricted account"))
    return sought


def _set_aside(audited: Audited) -> dict[str, set[str]]:
    """Tokens of the rows that are set aside, by epoch; the scan reports what cannot be read."""
    found: dict[str, set[str]] = {}
    try:
        for event in audited.lake.restricted_events():
            table = audited.lake.restricted(event)
            for file in table.snapshot().files:
                epoch = epoch_of(file.day, audited.epochs).name
                with table.storage.open_part(file.path) as source:
                    for group in range(source.num_row_groups):
                        tokens = source.read_row_group(group, [SUBJECT])[SUBJECT]
                        found.setdefault(epoch, set()).update(pc.unique(tokens).to_pylist())
    except (TelemetryError, OSError, pa.ArrowException):
        pass  # the scan of every file reports it
    return {epoch: tokens - {None} for epoch, tokens in found.items()}
