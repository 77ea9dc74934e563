"""The audit check that published figures are what the stored rows give."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from pipeline.errors import counted
from pipeline.io.lake.commits import history_of
from pipeline.io.rights.receipts import Receipt
from pipeline.io.state_folder import StateFolder
from pipeline.ops.audit.audit import (
    Audited,
    Check,
    Observation,
    broken,
    kept,
    not_applicable,
    not_verified,
)
from pipeline.ops.recomputed.counts import wrong_counts
from pipeline.ops.recomputed.facts import wrong_log_facts
from pipeline.ops.recomputed.figures import RECOMPUTED, Recomputation, Removal, recompute
from pipeline.ops.rewrite import on_snapshot
from pipeline.ops.rollup.lake_files import paths_of, stored_days
from pipeline.ops.scan.findings import Finding

MESSAGES = "counts of messages that the log does not give"
OTHER_COUNTS = "counts and times that files and commits do not give"


def _figures_recomputed(audited: Audited) -> Observation:
    if not audited.lake.rollups().manifest():
        return not_applicable("nothing is published yet")
    secret = audited.keys().live_permanent_key("figures")
    if secret is None:
        return not_verified("the keystore has no key of the perturbation")
    schemas = {event: versions[-1].stored for event, versions in audited.schemas.items()}
    receipts = audited.receipts.all()
    published = Recomputation(
        audited.lake,
        audited.registry,
        schemas,
        secret,
        audited.epochs,
        audited.now,
        list(_removals(receipts)),
        _spill(audited.state),
        audited.all_figures,
    )
    done = on_snapshot(
        lambda: stored_days(audited.lake, schemas, audited.now),
        paths_of,
        lambda days: recompute(published, days),
        audited.lake.look_again,
    )
    store = audited.lake.rollups()
    histories = [
        history_of(audited.lake.events(event, schema).log, event)
        for event, schema in schemas.items()
    ]
    again, of_messages = wrong_log_facts(histories, store, audited.now)
    moments = [one.at for one in receipts if one.kind not in ("export", "forget")]
    counts = wrong_counts(
        audited.lake,
        schemas,
        store,
        histories,
        audited.now,
        [datetime.fromisoformat(at) for at in moments],
    )
    wrong = ((MESSAGES, of_messages), (OTHER_COUNTS, sorted(counts.wrong.items())))
    done.findings += [
        Finding((RECOMPUTED,), f"lake/rollups/{metric}/{metric}.parquet", reason, count)
        for reason, found in wrong
        for metric, count in found
    ]
    if done.findings:
        return broken("figures are not what the rows give", [str(one) for one in done.findings])
    if done.doubts:
        reasons = sorted(dict.fromkeys(map(str, done.doubts)))
        return not_verified("not every figure could be recomputed", reasons)
    equal = done.equal + again + counts.equal
    unseen = "".join(f"; not verified: {n} {why}" for why, n in sorted(counts.unseen.items()))
    return kept(
        f"{counted(equal, 'figure')} recomputed and equal, {done.moved} of rows that"
        f" have changed since, {done.gone} of rows that have expired{unseen}"
    )


def _removals(receipts: Iterable[Receipt]) -> Iterator[Removal]:
    for receipt in receipts:
        requests = receipt.body.get("requests")
        numbers = requests if isinstance(requests, list) else []
        yield Removal(datetime.fromisoformat(receipt.at), frozenset(map(str, numbers)))


def _spill(state: Path) -> Path | None:
    """Where rows that do not fit in memory go; None if this account may not write there."""
    return StateFolder(state).spill if os.access(state, os.W_OK) else None


FIGURES: Mapping[str, Check] = {
    RECOMPUTED: Check(
        RECOMPUTED,
        "publications and stored bytes",
        "Every published figure is what its rows, the gate and the perturbation give.",
        _figures_recomputed,
    )
}
