"""The hook into kafka-python's fetcher: runs of whole record batches instead of record objects.

`raw_records` makes a subclass of the fetcher's own parser. Checksums, aborted transactions and
control batches are treated as the parent does; only the last step, bytes to records, is ours. The
names used here are not public: the client's version is pinned, and the first records of every
consumer are compared with the parent's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from kafka import errors as kafka_errors
from kafka.protocol.consumer import IsolationLevel
from kafka.record import MemoryRecords

from pipeline.io import kafka_batches

VERIFIED_RECORDS = 1000
"""How many of the first records are compared with the public parser."""

_HEADER_BYTES = 61
_PIECE = 512


@dataclass(slots=True, repr=False)
class Run:
    """Messages that follow each other in one partition."""

    values: list[bytes] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    size: int = 0
    """Bytes of the messages as they were sent, without compression."""
    oldest_ms: int | None = None
    """The earliest time that a message or batch names, in milliseconds since 1970."""
    streamed: bool = False
    """Whether a batch was so large that its values may be cut."""

    def note_time(self, time_ms: int) -> None:
        """Take note of a message's time; -1 means that it has none."""
        if time_ms > 0 and (self.oldest_ms is None or time_ms < self.oldest_ms):
            self.oldest_ms = time_ms


class RawPathBroken(Exception):
    """The hook does not fit this version of the client, or reads other messages than it."""


class _Piece(NamedTuple):
    values: list[bytes]
    offsets: list[int]
    size: int
    stop: int
    """The offset to go on from after this piece."""
    streamed: bool = False


def raw_records(public: Any, room: Callable[[], int]) -> Any:
    """Return the class that the fetcher shall use in place of `public`, its own parser.

    `room` says how many bytes a run may have; a run ends with the batch that fills it. Raises
    AttributeError if `public` has not the expected shape.
    """
    for name in ("_consume_aborted_transactions_up_to", "_contains_abort_marker", "drain"):
        getattr(public, name)
    unverified = VERIFIED_RECORDS

    class RawRecords(public):  # type: ignore[misc]
        """Yields a `Run` where the parent yields a record."""

        def _maybe_skip_record(self, _run: Run) -> bool:
            # A "drop while" predicate; the floor of a seek into a batch is applied in `_pieces`.
            return False

        def _unpack_records(self, tp: Any, records: Any, *_deserializers: Any) -> Iterator[Run]:
            nonlocal unverified
            held = records._buffer
            # Copied before the parser below uses it up.
            aborted = tuple(self.aborted_transactions)
            try:
                for run in self._runs(records):
                    if unverified > 0 and held and not run.streamed:
                        other = public(
                            self.fetch_offset,
                            tp,
                            MemoryRecords(held),
                            isolation_level=self.isolation_level,
                            aborted_transactions=aborted,
                        )
                        _compare(run, self.next_fetch_offset, other.record_iterator)
                        unverified -= len(run.values)
                        held = b""
                    yield run
            except Exception:
                # A parser that failed and is not drained makes the client's loop spin for ever.
                self.drain()
                raise

        def _runs(self, records: Any) -> Iterator[Run]:
            run = Run()
            try:
                while (batch := records.next_batch()) is not None:
                    for piece in self._pieces(batch):
                        run.values += piece.values
                        run.offsets += piece.offsets
                        run.size += piece.size
                        run.streamed |= piece.streamed
                        run.note_time(_earliest(batch) if piece.values else -1)
                        self.next_fetch_offset = piece.stop
                        if run.values and run.size >= room():
                            yield run
                            run = Run()
            except kafka_errors.CorruptRecordError:
                # What came before the damage is good.
                if run.values:
                    yield run
                raise
            # Drained before the last run is handed out, so that the next fetch starts meanwhile.
            self.drain()
            if run.values:
                yield run

        def _pieces(self, batch: Any) -> Iterator[_Piece]:
            if self.check_crcs and not batch.validate_crc():
                raise kafka_errors.CorruptRecordError("checksum")
            if batch.magic < 2:
                yield from _old_format(batch, self.fetch_offset)
                return
            self.leader_epoch = batch.leader_epoch
            if self._is_passed_over(batch):
                yield _Piece([], [], 0, batch.next_offset)
                return
            try:
                yield from _current_format(batch, self.fetch_offset)
            except kafka_batches.BrokenBatch:
                raise kafka_errors.CorruptRecordError("structure") from None

        def _is_passed_over(self, batch: Any) -> bool:
            """Tell whether the batch is a control batch or of an aborted transaction."""
            if self.isolation_level == IsolationLevel.READ_COMMITTED and batch.has_producer_id():
                self._consume_aborted_transactions_up_to(batch.last_offset)
                if self._contains_abort_marker(batch):
                    self.aborted_producer_ids.discard(batch.producer_id)
                elif self._is_batch_aborted(batch):
                    return True
            return bool(batch.is_control_batch)

    return RawRecords


def _current_format(batch: Any, floor: int) -> Iterator[_Piece]:
    data = memoryview(batch._buffer)[_HEADER_BYTES:]
    base, count, stop = batch.base_offset, batch.records_count, batch.next_offset
    records = kafka_batches.decompress(batch.compression_type, data)
    if records is None:
        with kafka_batches.open_stream(batch.compression_type, data) as stream:
            yield from _streamed(kafka_batches.unpack_stream(stream, count, base), floor, stop)
        return
    values: list[bytes] = []
    offsets: list[int] = []
    kafka_batches.unpack(records, count, base, values, offsets)
    if base < floor:
        # A seek into the middle of a batch brings all of it.
        keep = next((i for i, offset in enumerate(offsets) if offset >= floor), len(offsets))
        del values[:keep], offsets[:keep]
    yield _Piece(values, offsets, len(records), stop)


def _streamed(messages: Iterator[tuple[int, bytes]], floor: int, stop: int) -> Iterator[_Piece]:
    while part := list(islice(messages, _PIECE)):
        kept = [(offset, value) for offset, value in part if offset >= floor]
        values = [value for _, value in kept]
        size = sum(map(len, values))
        yield _Piece(values, [offset for offset, _ in kept], size, part[-1][0] + 1, True)
    yield _Piece([], [], 0, stop)


def _old_format(batch: Any, floor: int) -> Iterator[_Piece]:
    """Read a batch of Kafka before 0.11 by the client's own parser."""
    kept = [(record.offset, record.value or b"") for record in batch if record.offset >= floor]
    values = [value for _, value in kept]
    offsets = [offset for offset, _ in kept]
    if kept:
        yield _Piece(values, offsets, sum(map(len, values)), offsets[-1] + 1)


def _earliest(batch: Any) -> int:
    if batch.magic < 2:
        return -1
    return int(batch.max_timestamp if batch.timestamp_type else batch.first_timestamp)


def _compare(run: Run, stop: int, expected: Iterator[Any]) -> None:
    """Raise RawPathBroken unless the run begins with what the public parser reads."""
    ours = islice(zip(run.offsets, run.values, strict=True), VERIFIED_RECORDS)
    for offset, value in ours:
        record = next(expected, None)
        if record is None or record.offset != offset or (record.value or b"") != value:
            raise RawPathBroken
    if len(run.values) <= VERIFIED_RECORDS:
        record = next(expected, None)
        if record is not None and record.offset < stop:
            raise RawPathBroken
