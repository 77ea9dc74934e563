"""A new source from which nothing can be stored stops the run, and nothing of it is committed.

Otherwise a wrong format, event or field name would reject a whole log and move the position past
it, and nothing would be read again once it was corrected. The error names the commonest reasons,
which required fields are missing, and which format the lines probably have: declared names and
counts, nothing from the messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pipeline.errors import NothingAccepted, counted
from pipeline.events.formats.guess import best_fit, refusals, with_fields
from pipeline.events.formats.model import Format
from pipeline.events.formats.record import Refusal
from pipeline.events.model import CleanBatch, Reason, Slice
from pipeline.flow.steps.worker import Worker
from pipeline.io.package_data import formats_for

SAMPLE_LINES = 200
MOST_REASONS = 3

_ADVICE: Mapping[Reason, str] = {
    Reason.TOO_OLD: "Events older than privacy.max_age_days are read with --backfill.",
    Reason.WRONG_EVENT: "Check --event.",
    Reason.NOT_JSON: "Lines that are not an event's own JSON need a --format: "
    "`telemetry schema formats` lists them.",
}
_NO_NUMBER = (
    "The source names a schema registry, and its messages do not begin with a schema's number. "
    "One in a header (`__value_schema_id`) is not read: set `value.schema.id.serializer` of the "
    "producers to PrefixSchemaIdSerializer. "
)
_LAST_ADVICE = (
    "`telemetry schema explain EVENT FILE` shows a line field by field; `telemetry run "
    "--input-is-right` goes on past such messages."
)


def check_new_source(worker: Worker, batch: CleanBatch) -> None:
    """Raise NothingAccepted if a batch is rejected as a whole, and its source is new to the lake.

    A batch that is only ahead of the clock is left to `write.check_clock`.
    """
    if not batch.read or batch.rejected.num_rows < batch.read:
        return
    reasons = Counter(Reason(one) for one in batch.rejected.column("reason").to_pylist())
    if set(reasons) == {Reason.IN_FUTURE}:
        return
    session = worker.sessions.reading(batch.span)
    if session is None or session.under_way is None or session.reader.is_known():
        return
    sample, schemas = _sample(session.under_way), worker.ports.schemas()
    format_ = worker.ports.formats.get(session.shard.source)
    refused = refusals(sample, schemas[batch.event], format_)
    fit = best_fit(sample, formats_for(schemas), schemas)
    is_other = fit is not None and (fit.event, _name(fit.format)) != (batch.event, _name(format_))
    framed = session.shard.source in worker.ports.registries
    if framed and Reason.NOT_IN_FORMAT in reasons and not _numbered(sample):
        advice = _NO_NUMBER
    else:
        advice = _advice(reasons)
    guess = f"The lines look like {fit.options}. " if fit and is_other else ""
    raise NothingAccepted(
        "Nothing that this new source holds can be stored, so nothing was committed",
        where=f"source {session.shard.source}, first {counted(batch.read, 'message')}",
        why=f"all are rejected: {_commonest(reasons, refused)}",
        remedy=f"{guess or advice}{_LAST_ADVICE}",
    )


def _name(format_: Format | None) -> str | None:
    return None if format_ is None else format_.name


def _sample(taken: Slice) -> list[bytes]:
    """Return the first messages of a slice."""
    bounds = zip(taken.starts[:SAMPLE_LINES], taken.ends[:SAMPLE_LINES], strict=True)
    return [bytes(taken.data[start:stop]) for start, stop in bounds]


def _numbered(sample: list[bytes]) -> bool:
    """Return whether any message begins like one written with a registry's serializer."""
    return any(one.startswith(b"\0") for one in sample)


def _advice(reasons: Counter[Reason]) -> str:
    common = [reason for reason, _ in reasons.most_common(MOST_REASONS)]
    return "".join(f"{_ADVICE[reason]} " for reason in common if reason in _ADVICE)


def _commonest(reasons: Counter[Reason], refused: Mapping[Refusal, int]) -> str:
    """Write the commonest reasons with their counts, and beside them the fields they concern."""
    common = reasons.most_common(MOST_REASONS)
    return ", ".join(f"{with_fields(reason, refused)} {count:,}" for reason, count in common)
