"""The stored rows of one event, exactly once by the table's own log.

A commit carries the new files and the source's next position under an application id
(`<source>/<topic>/<partition>`). Before it, the table is reloaded and must be at the
slice's start; delta-rs refuses a commit of the same id in between. So neither a second
pipeline, nor a zombie, nor a restart from anywhere can lose or double an event.

Unit of parallelism: one application id. Delivery: exactly-once, judged by this log alone.
Replay: nothing is duplicated; a slice that was already committed is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pyarrow.compute as pc

from pipeline.errors import EnvironmentProblem, LakeError, PositionConflict, PositionForgotten
from pipeline.events.model import CleanBatch, Span
from pipeline.io.delta.commit import CommitRefused
from pipeline.io.delta.standing import LogState
from pipeline.io.lake.rejection_table import Prepared, RejectionTable, decision_of
from pipeline.io.lake.staging import Staging
from pipeline.io.lake.table import Committed, StoredTable
from pipeline.io.parquet.encoding import plain, split_by_date

EVENT_DATE = "event_date"


@dataclass(frozen=True, slots=True)
class EventTable(StoredTable):
    """The table of one event, by `event_date`."""

    rejections: RejectionTable = field(repr=False)
    """Where refused messages of the same slices go."""
    _seen: set[str] = field(default_factory=set, repr=False)
    """Application ids that had a position at some time in this process's life."""

    def position(self, app_id: str) -> int | None:
        """Return the next position of a source, as of now; None if nothing of it was committed.

        Raises LakeError if a position that this process has seen is gone: somebody removed the
        table under a running pipeline, and starting over would double or lose events.
        """
        return self.positions([app_id])[0]

    def positions(self, app_ids: Sequence[str]) -> list[int | None]:
        """Return positions, and marks beside them, as they stood at one moment; see `position`."""
        found = self.log.versions_of(app_ids)
        return [self._known(*pair) for pair in zip(app_ids, found, strict=True)]

    def commit(
        self, batch: CleanBatch, *, metadata: Mapping[str, object] | None = None
    ) -> Committed:
        """Store `batch` exactly once: stage, compare the position, commit. See `publish`.

        Rejections that were prepared for the batch are recorded with it, or dropped with it.
        """
        return self.publish(self.stage(batch), batch, metadata=metadata)

    def stage(self, batch: CleanBatch) -> Staging:
        """Write one hidden file for each event date of `batch` and make them durable.

        Raises LakeError or EnvironmentProblem, leaving nothing behind.
        """
        if not plain(batch.rows.schema).equals(self.log.schema):
            raise LakeError(
                "A batch does not have the columns of its table",
                where=self.log.uri,
                remedy="Run one version of the program and its schemas on one lake.",
            )
        staging = self.staging()
        if batch.rows.num_rows:
            for day, rows in split_by_date(batch.rows, EVENT_DATE):
                staging.write(day, rows)
        return staging

    def publish(
        self,
        staging: Staging,
        batch: CleanBatch,
        *,
        metadata: Mapping[str, object] | None = None,
    ) -> Committed:
        """Commit staged files together with the position, if the lake stands at the slice's start.

        A source that has no commit yet may start anywhere (Kafka does not keep the beginning).
        Raises PositionConflict (another writer moved the position), SliceExpired (staged too long
        ago), LakeError or EnvironmentProblem; then the staged files are gone and nothing of the
        batch is in the table.
        """
        span = batch.span
        refused = self.rejections.take(batch)
        positions = {span.app_id: span.stop}
        positions |= {mark.app_id: mark.after for mark in span.marks}
        if refused is not None:
            positions[decision_of(span.app_id)] = refused.number

        def load() -> LogState:
            table = self.log.ready()
            if self._position_in(table, span.app_id) not in (span.start, None):
                raise self._conflict(span)
            if not self._marks_agree(table, span):
                raise self._conflict(span)
            if refused is not None:
                # The number of this slice replaces the last one: nothing of that one may be open.
                decided = table.transaction_version(decision_of(span.app_id))
                self.rejections.catch_up(batch.event, span.app_id, decided)
            return table

        counts = account(batch, metadata) | {"files": len(staging.files)}
        companion = None if refused is None else refused.staging
        try:
            committed = self.land(load, staging, positions, counts, companion=companion)
        except CommitRefused:
            raise self._conflict(span) from None
        self._seen.add(span.app_id)
        if refused is not None:
            self._record(refused)
        return committed

    def _record(self, refused: Prepared) -> None:
        """Record rejections just decided for; after a failure the next slice or start does it."""
        certain, self.writer.leftovers = self.writer.leftovers, True
        with suppress(LakeError, EnvironmentProblem):
            self.rejections.record(refused)
            self.writer.leftovers = certain

    def _position_in(self, table: LogState, app_id: str) -> int | None:
        return self._known(app_id, table.transaction_version(app_id))

    def _marks_agree(self, table: LogState, span: Span) -> bool:
        return all(table.transaction_version(m.app_id) == m.before for m in span.marks)

    def _known(self, app_id: str, position: int | None) -> int | None:
        if position is not None:
            self._seen.add(app_id)
        elif app_id in self._seen:
            raise PositionForgotten(
                "The lake has forgotten a position that it had",
                where=f"{self.log.uri}, {app_id}",
                why="the table was removed or replaced while the pipeline was running",
                remedy="Stop every pipeline on this lake, restore the table, then run again.",
            )
        return position

    def _conflict(self, span: Span) -> PositionConflict:
        return PositionConflict(
            "The lake's position is not where this slice starts: another writer moved it",
            where=f"{self.log.uri}, {span.app_id}, position {span.start}",
            remedy="The slice was discarded and is read again from the lake's position.",
        )


def account(batch: CleanBatch, metadata: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return what a commit records about its messages, so that completeness can be proven later.

    read = written + the sum of rejected + the sum of dropped.
    """
    counted = pc.value_counts(batch.rejected.column("reason")).to_pylist()
    return {
        **(metadata or {}),
        "app_id": batch.span.app_id,
        "start": batch.span.start,
        "stop": batch.span.stop,
        "read": batch.read,
        "written": batch.rows.num_rows,
        "rejected": {item["values"]: item["counts"] for item in counted},
        "dropped": {drop.value: count for drop, count in batch.dropped.items() if count},
        "nulled": {f"{name}.{why}": count for (name, why), count in batch.nulled.items()},
    }
